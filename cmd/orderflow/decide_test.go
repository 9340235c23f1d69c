package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
)

func TestDecideCommands(t *testing.T) {
	for name, tt := range map[string]struct {
		command func(connectFunc) *cobra.Command
		args    []string
		sent    []string // path, key and body
		says    string   // of an error
	}{
		"approve": {
			ordersApproveCommand, []string{"--reason", "called her", "--key", "k"},
			[]string{"/orders/o1/approve", "k", `{"reason":"called her"}`}, "",
		},
		"decline": {
			ordersDeclineCommand, []string{"--reason", "no such street", "--key", "k"},
			[]string{"/orders/o1/decline", "k", `{"reason":"no such street"}`}, "",
		},
		"no reason":     {ordersApproveCommand, nil, nil, "approve: expected --reason"},
		"a blank one":   {ordersDeclineCommand, []string{"--reason", " "}, nil, "decline: expected --reason"},
		"it is refused": {ordersApproveCommand, []string{"--reason", "late"}, nil, "order.not-waiting"},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []string
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if tt.says != "" {
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(http.StatusConflict)
					_, _ = w.Write([]byte(`{"status":409,"code":"order.not-waiting"}`))
					return
				}
				sent = append(sent, r.URL.Path, r.Header.Get("Idempotency-Key"), strings.TrimSpace(string(body)))
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write([]byte(`{"id":"o1","status":"placed","total":{"amount":7,"currency":"EUR"}}`))
			}))
			defer api.Close()
			cmd := tt.command(func(context.Context) (*shop.Client, error) { return shop.New(api.URL, "token"), nil })
			strict(cmd)
			var out, hints bytes.Buffer
			cmd.SetOut(&out)
			cmd.SetErr(&hints)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(append([]string{"o1"}, tt.args...))
			err := cmd.ExecuteContext(t.Context())
			if diff := cmp.Diff(tt.sent, sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || out.String() != "order o1: placed, EUR 0.07\n" ||
				!strings.Contains(hints.String(), "--key k") {
				t.Errorf("%v: %s%s", err, out.String(), hints.String())
			}
		})
	}
}
