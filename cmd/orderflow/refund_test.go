package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/cmd/orderflow/shop"
)

func TestRefundCommand(t *testing.T) {
	type asked struct {
		path, key, body string
	}
	for name, tt := range map[string]struct {
		args []string
		body string
		says string // of an error
	}{
		"pieces": {
			[]string{"--reason", "damaged", "--pieces", "0=2,3=1"},
			`{"lines":[{"line":0,"quantity":2},{"line":3,"quantity":1}],"reason":"damaged"}`, "",
		},
		"pieces at a price": {
			[]string{"--reason", "late", "--pieces", "1=2", "--price", "1=500"},
			`{"lines":[{"line":1,"quantity":2,"amount":{"amount":500,"currency":"JPY"}}],"reason":"late"}`, "",
		},
		"all else": {
			[]string{"--reason", "other", "--shipping", "3", "--goodwill", "4", "--note", "she called"},
			`{"shipping":{"amount":3,"currency":"JPY"},"goodwill":{"amount":4,"currency":"JPY"},` +
				`"reason":"other","note":"she called"}`, "",
		},
		"no reason":      {[]string{"--goodwill", "4"}, "", "--reason: expected one of returned, "},
		"nothing":        {[]string{"--reason", "late"}, "", "expected --pieces"},
		"no line":        {[]string{"--reason", "late", "--pieces", "2"}, "", "--pieces: expected LINE=QUANTITY"},
		"a line twice":   {[]string{"--reason", "late", "--pieces", "0=1,0=1"}, "", "each line once"},
		"a price twice":  {[]string{"--reason", "late", "--price", "0=1,0=1"}, "", "--price: expected LINE=AMOUNT"},
		"no pieces":      {[]string{"--reason", "late", "--pieces", "0=0"}, "", "--pieces: expected LINE=QUANTITY"},
		"below nothing":  {[]string{"--reason", "late", "--goodwill", "-4"}, "", "--goodwill: expected an amount"},
		"no such number": {[]string{"--reason", "late", "--shipping", "4.99"}, "", "--shipping"},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []asked
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodGet {
					total := map[string]any{"amount": 900, "currency": "JPY"}
					_ = json.NewEncoder(w).Encode(map[string]any{"total": total})
					return
				}
				body, _ := io.ReadAll(r.Body)
				sent = append(sent, asked{r.URL.Path, r.Header.Get("Idempotency-Key"), string(body)})
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write([]byte(
					`{"id":"r1","amount":{"amount":7,"currency":"JPY"},"refunded":{"amount":9,"currency":"JPY"}}`,
				))
			}))
			defer api.Close()
			cmd := ordersRefundCommand(func(context.Context) (*shop.Client, error) {
				return shop.New(api.URL, "token"), nil
			})
			strict(cmd)
			var out, hints bytes.Buffer
			cmd.SetOut(&out)
			cmd.SetErr(&hints)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(append([]string{"o1", "--key", "k"}, tt.args...))
			err := cmd.ExecuteContext(t.Context())
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || len(sent) > 0 {
					t.Errorf("%v, sent %v", err, sent)
				}
				return
			}
			want := []asked{{"/orders/o1/refunds", "k", tt.body}}
			if diff := cmp.Diff(want, sent, cmp.AllowUnexported(asked{})); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if out.String() != "refund r1: JPY 7, JPY 9 of JPY 900 in all\n" ||
				!strings.Contains(hints.String(), "--key k") {
				t.Errorf("%s%s", out.String(), hints.String())
			}
		})
	}
}
