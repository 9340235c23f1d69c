package main

import (
	"encoding/json"
	"testing"
)

func TestFacts(t *testing.T) {
	for text, want := range map[string]string{
		`{"orderId":"o","reason":"customer.request","detail":""}`: "reason=customer.request",
		`{"rules":["country"],"until":"2026-03-02T10:30:00Z"}`:    "rules=[country] until=2026-03-02T10:30:00Z",
		`{"difference":{"amount":-100000099,"currency":"EUR"}}`:   "difference=EUR -1000000.99",
		`{"difference":"much"}`:                                   "difference=much",
	} {
		var data map[string]any
		if err := json.Unmarshal([]byte(text), &data); err != nil {
			t.Fatal(err)
		}
		if got := facts(data); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
