package es_test

import (
	"testing"

	"orderflow/shared/kit/es"
)

// Events say who brought them about; those of earlier releases, as far as they know.
func TestWho(t *testing.T) {
	for _, c := range []struct {
		of       es.Metadata
		kind, id string
	}{
		{es.Metadata{Actor: "customer/ada"}, "customer", "ada"},
		{es.Metadata{Actor: "order-saga"}, "system", "order-saga"},
		{es.Metadata{Actor: "operator/7b1215cc", Principal: "person/auth0|5fe4"}, "person", "auth0|5fe4"},
		{es.Metadata{Actor: "carrier/7b1215cc", Principal: "machine/https://x/y"}, "machine", "https://x/y"},
		{es.Metadata{Actor: "operator/7b1215cc"}, "operator", "7b1215cc"}, // of an earlier release
		{es.Metadata{}, "", ""},
	} {
		if kind, id := c.of.Who(); kind != c.kind || id != c.id {
			t.Errorf("%+v: %q %q, want %q %q", c.of, kind, id, c.kind, c.id)
		}
	}
}
