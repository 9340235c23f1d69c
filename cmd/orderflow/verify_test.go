package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"orderflow/shared/ops/reconcile"
	"orderflow/shared/ops/recount"
	"orderflow/shared/ops/verify"
)

func TestPrintVerification(t *testing.T) {
	sound := verification{
		Orders: reconcile.Report{Orders: 3, Accounts: 2, Commits: 40, Findings: []reconcile.Finding{}},
		Stock:  &recount.Report{}, Views: []verify.Report{{View: "orders"}}, DeadLetters: &undone{},
	}
	broken := verification{
		Orders: reconcile.Report{Findings: []reconcile.Finding{
			{Rule: "payment.standing", Stream: "order/o1", Detail: "it is cancelled"},
		}, More: 2},
		Stock: &recount.Report{Differences: []recount.Difference{{SKU: "cd-1"}}, Unreadable: []string{"order/x@1"}},
		Views: []verify.Report{
			{View: "orders", Findings: []verify.Finding{{Kind: verify.Stray, ID: "o2", Detail: "gone"}}},
		},
		DeadLetters: &undone{Open: 4, Spent: 1},
	}
	for name, tt := range map[string]struct {
		of   verification
		says []string
		err  string
	}{
		"sound": {sound, []string{"3 orders and 2 accounts compared by 40 commits; 0 findings"}, ""},
		"broken": {broken, []string{
			"payment.standing", "order/o1", "and 2 more", "stock.counters", "stock/cd-1", "event.unreadable",
			"view.stray", "o2", "dead-letters.open    4 entries", "dead-letters.spent   1 entries", "7 findings",
		}, "7 findings"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := tt.of.print(&out, false)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Error(err)
			}
			for _, s := range tt.says {
				if !strings.Contains(out.String(), s) {
					t.Errorf("%q is missing in\n%s", s, out.String())
				}
			}
			out.Reset()
			again := tt.of.print(&out, true)
			var read verification
			if (again == nil) != (err == nil) || json.Unmarshal(out.Bytes(), &read) != nil ||
				len(read.lines()) != len(tt.of.lines()) {
				t.Errorf("%v: %s", again, out.String())
			}
		})
	}
}
