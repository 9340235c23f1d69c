package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
)

func TestTourNeedsAStackThatShowsIt(t *testing.T) {
	for _, tt := range []struct {
		countries, carrier string
		ok                 bool
	}{
		{"LU", "true", true}, {"BE,LU", "true", true}, {"", "true", false}, {"BE", "true", false},
		{"LU", "false", false},
	} {
		err := tourable(map[string]string{"HoldCountries": tt.countries, "SimulatedCarrier": tt.carrier})
		if (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// TestRefusedHalfway: a refusal says that nothing was written, which is not so of a command that
// writes several things.
func TestRefusedHalfway(t *testing.T) {
	refused := fmt.Errorf("tour: %w", &shop.Problem{Status: http.StatusConflict, Code: "order.not-held"})
	if one, several := failed(refused, true), failed(partly(refused), true); one != 3 || several != 1 {
		t.Errorf("status %d, and %d", one, several)
	}
	if err := partly(nil); err != nil {
		t.Error(err)
	}
}

var tourName = regexp.MustCompile(`tour-[0-9a-f-]{36}`)

// TestTour: what is asked for, in which order, of an API that does at once what it is told.
func TestTour(t *testing.T) {
	status, asked := "", []string{}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		line := tourName.ReplaceAllString(r.Method+" "+r.URL.Path, "NAME")
		switch line {
		case "POST /orders":
			status = "held"
		case "PATCH /orders/o1":
			line += " " + r.Header.Get("If-Match") + " " + tourName.ReplaceAllString(string(body), "NAME")
		case "POST /orders/o1/approve":
			if status = "delivered"; slices.Contains(asked, line) { // the second story's
				status = "backordered"
			}
		case "PUT /stock/NAME":
			if line += " " + r.Header.Get("If-Match"); r.Header.Get("If-Match") != "" {
				status = "delivered"
			}
		}
		if r.Method != http.MethodGet {
			asked = append(asked, strings.TrimSpace(line))
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":"o1","status":%q,"version":2,"total":{"amount":3000,"currency":"EUR"},`+
			`"events":[{"type":"order.placed","time":"2026-03-01T12:00:00Z","data":{}}]}`, status)
	}))
	defer api.Close()
	var out bytes.Buffer
	of := tour{&deployment.Deployment{}, shop.New(api.URL, "operator"), time.Minute, &out}
	if err := of.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"POST /customers", "POST /accounts", "POST /accounts/o1/deposits", "PUT /products/NAME", "PUT /stock/NAME",
		"POST /orders", `PATCH /orders/o1 "2" {"lines":[{"sku":"NAME","quantity":3}]}`, "POST /orders/o1/approve",
		"POST /customers", "POST /accounts", "POST /accounts/o1/deposits", "PUT /products/NAME", "PUT /stock/NAME",
		"POST /orders", "POST /orders/o1/approve", `PUT /stock/NAME "2"`,
	}, asked); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !strings.Contains(out.String(), "order o1: delivered, EUR 30.00\n") {
		t.Errorf("printed\n%s", out.String())
	}
}
