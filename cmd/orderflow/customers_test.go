package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"orderflow/cmd/orderflow/shop"
)

func TestConfirmErasure(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		wants  string // of the error; "" for none
	}{
		"the id":               {"ada\n", ""},
		"with spaces":          {" ada \r\n", ""},
		"the input's end":      {"ada", ""},
		"another id":           {"bob\n", "nothing was erased"},
		"yes":                  {"y\n", "nothing was erased"},
		"nothing":              {"\n", "nothing was erased"},
		"nothing but the end":  {"", "nothing was erased"},
		"the id in capitals":   {"ADA\n", "nothing was erased"},
		"the id on the second": {"\nada\n", "nothing was erased"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			wantError(t, askForID(strings.NewReader(tc.answer), &out, "ada"), tc.wants)
			if !strings.Contains(out.String(), "can't be undone") {
				t.Errorf("asked is %q", out.String())
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = r.Close(), w.Close() }()
		for _, in := range []io.Reader{r, strings.NewReader("ada\n")} {
			wantError(t, confirmErasure(in, io.Discard, "ada"), "--yes")
		}
	})
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if part == "" && err != nil || part != "" && (err == nil || !strings.Contains(err.Error(), part)) {
		t.Errorf("error %v, want %q", err, part)
	}
}

func TestEraseCustomer(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodDelete || r.URL.RequestURI() != "/customers/ada?reason=requested" ||
			r.Header.Get("Authorization") != "Bearer operator" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"status":404,"code":"customer.not-found","detail":"there is no such customer"}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":"ada","erasedAt":"2026-03-01T12:00:00Z","version":2}`)
	}))
	defer api.Close()
	client := shop.New(api.URL, "operator")
	var out strings.Builder
	if err := eraseCustomer(t.Context(), &out, client, "ada", "requested"); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"customer ada: erased at 2026-03-01T12:00:00Z\n", "destroyed", "stays"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("printed is %q, without %q", out.String(), part)
		}
	}
	out.Reset()
	wantError(t, eraseCustomer(t.Context(), &out, client, "bob", "requested"), "customer.not-found")
	if out.Len() > 0 {
		t.Errorf("printed is %q", out.String())
	}
}

// The command refuses a reason that the API doesn't know before it asks anything.
func TestErasureReason(t *testing.T) {
	for _, known := range []string{"", "requested", "retention", "mistaken", "ordered"} {
		wantError(t, isErasureReason(known), "")
	}
	for _, unknown := range []string{"Requested", "Ada wants it", " "} {
		wantError(t, isErasureReason(unknown), "--reason: expected requested, retention")
	}
}

// Indexing goes through all customers but those who are erased, and may be interrupted.
func TestIndexCustomers(t *testing.T) {
	var asked []string
	ctx, cancel := context.WithCancel(t.Context())
	stopAt := ""
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == stopAt:
			cancel()
		case r.Method == http.MethodPut:
			asked = append(asked, r.URL.Path)
			_, _ = io.WriteString(w, `{}`)
		case r.URL.Query().Get("cursor") == "":
			_, _ = io.WriteString(w, `{"customers":[{"id":"ada"},{"id":"eve","erased":true}],"next":"C"}`)
		default:
			_, _ = io.WriteString(w, `{"customers":[{"id":"bob"}]}`)
		}
	}))
	defer api.Close()
	var out strings.Builder
	client := shop.New(api.URL, "operator")
	if err := indexCustomers(ctx, &out, client); err != nil || !strings.HasPrefix(out.String(), "2 customers") {
		t.Errorf("%v, says %s", err, &out)
	}
	if want := "/customers/ada/index /customers/bob/index"; strings.Join(asked, " ") != want {
		t.Errorf("asked for %s", asked)
	}
	stopAt = "/customers/bob/index"
	var stopped *stoppedError
	err := indexCustomers(ctx, &out, client)
	if !errors.As(err, &stopped) || !strings.Contains(stopped.hint, "1 customers") {
		t.Errorf("interrupted: %v", err)
	}
}
