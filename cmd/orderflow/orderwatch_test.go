package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestWatch: each event is printed once, as it comes, until the order is where it was to be, is at
// its end, or the time is over. The order is read only after news.
func TestWatch(t *testing.T) {
	const placed = `{"sequence":1,"type":"order.placed","time":"2026-03-01T12:00:00Z",` +
		`"actor":{"kind":"customer","id":"ada"}}`
	const confirmed = placed + `,{"sequence":2,"type":"order.confirmed","time":"2026-03-01T12:00:01Z",` +
		`"actor":{"kind":"saga"}}`
	const cancelled = placed + `,{"sequence":2,"type":"order.cancelled","time":"2026-03-01T12:00:01Z",` +
		`"actor":{"kind":"saga"}}`
	// all that the API says, and no number as a float has it
	const whole = `{"sequence": 7, "id": "e7", "type": "order.delivered", "time": "2026-03-01T12:00:00Z", ` +
		`"correlationId": "c", "actor": null, "data": {"large": 9007199254740993, "<": 1e2}}`
	lines := []string{
		"  1  2026-03-01T12:00:00Z  order.placed           customer ada             ",
		"  2  2026-03-01T12:00:01Z  order.confirmed        saga                     ",
	}
	for name, tt := range map[string]struct {
		args      []string
		histories []string // one for each look; the last one stays
		statuses  []string // one for each time that the order is read
		out       []string
		looks     int
		says      string
	}{
		"until it is there": {
			[]string{"--until", "confirmed"}, []string{placed, placed, confirmed}, []string{"placed", "confirmed"},
			lines, 3, "",
		},
		"it is there already": {
			[]string{"--until", "placed"}, []string{placed}, []string{"placed"}, lines[:1], 1, "",
		},
		"it was there between two looks": {
			[]string{"--until", "placed"}, []string{confirmed}, []string{"confirmed"}, lines, 1, "",
		},
		"confirmed is not its end": {
			[]string{"--timeout", "1s"}, []string{confirmed}, []string{"confirmed"}, lines, 2,
			"order o1 is confirmed after 1s",
		},
		"it is cancelled": {
			nil, []string{cancelled}, []string{"cancelled"},
			[]string{lines[0], strings.Replace(lines[1], "confirmed", "cancelled", 1)}, 1, "",
		},
		"it will never be there": {
			[]string{"--until", "shipped"}, []string{cancelled}, []string{"cancelled"},
			[]string{lines[0], strings.Replace(lines[1], "confirmed", "cancelled", 1)}, 1,
			"order o1 is cancelled, and not shipped",
		},
		"too long": {
			[]string{"--timeout", "3s"}, []string{placed}, []string{"placed"}, lines[:1], 4, "order o1 is placed " +
				"after 3s",
		},
		"for nothing": {[]string{"--until", "lost"}, nil, nil, nil, 0, "watch: --until: expected one of placed"},
		"for no time": {[]string{"--timeout", "0s"}, nil, nil, nil, 0, "--timeout: expected a duration above 0"},
		"as JSON, and there": {
			[]string{"--json"}, []string{whole}, []string{"delivered"},
			[]string{strings.ReplaceAll(whole, " ", "")}, 1, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			looks, reads := 0, 0
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/history") {
					events := tt.histories[min(looks, len(tt.histories)-1)]
					looks++
					_, _ = w.Write([]byte(`{"events":[` + events + `]}`))
					return
				}
				_, _ = w.Write([]byte(`{"id":"o1","status":"` + tt.statuses[reads] + `"}`))
				reads++
			}))
			defer api.Close()
			cmd := ordersWatchCommand(clock.NewFake(noon), func(context.Context) (*shop.Client, error) {
				return shop.New(api.URL, "token"), nil
			})
			strict(cmd)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			var out bytes.Buffer
			cmd.SetOut(&out)
			cmd.SetArgs(append([]string{"o1"}, tt.args...))
			err := cmd.ExecuteContext(t.Context())
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v", err)
			}
			var printed []string
			if out.Len() > 0 {
				printed = strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			}
			if diff := cmp.Diff(tt.out, printed); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
			if looks != tt.looks || reads != len(tt.statuses) {
				t.Errorf("%d looks, and %d at the order", looks, reads)
			}
		})
	}
}
