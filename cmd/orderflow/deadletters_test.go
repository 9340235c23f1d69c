package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/clock"
)

// What can't be meant is refused before anything is asked of anybody.
func TestDeadLetterFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // whoever asks all the same is refused there
	for _, tc := range []struct{ args, says string }{
		{"list --status lost", "--status is one of open, redriving, resolved, spent, discarded, not \"lost\""},
		{"list --older-than -1h", "--older-than is a time"},
		{"list --limit -1", "--limit is 0 or more"},
		{"list extra", "unknown command"},
		{"show", "give one dead letter's id"},
		{"redrive", "give ids, or --all"},
		{"redrive a --all", "give either ids or --all"},
		{"redrive a --consumer c", "filters go with --all"},
		{"redrive --all --status resolved", "--status is open or spent here, not resolved"},
		{"discard", "give ids, or --all"},
		{"discard --all --take-over", "unknown flag"},
		{"mend", "unknown command"},
	} {
		cmd := root()
		cmd.SetArgs(append([]string{"deadletters"}, strings.Fields(tc.args)...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %s", tc.args, err, tc.says)
		}
	}
}

// letterAPI serves three letters, a page each, and takes orders down.
func letterAPI(t *testing.T) (client *shop.Client, ordered *[]string) {
	ordered = &[]string{}
	all := []shop.DeadLetter{
		{ID: "1", Status: "open", Consumer: "start-saga", Kind: "queue", Error: "trouble", Message: json.RawMessage(`{"n":1}`)},
		{ID: "2", Status: "open", Consumer: "send-mails", Kind: "queue", Held: true},
		{ID: "3", Status: "spent", Consumer: "start-saga", Kind: "none", Hint: "look"},
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		answer := func(status int, body any) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body)
		}
		switch {
		case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/dead-letters/3/redrive"):
			answer(http.StatusUnprocessableEntity, map[string]any{"code": "dead-letter.not-redrivable", "detail": "no way", "status": 422})
		case r.Method == http.MethodPost:
			body, _ := io.ReadAll(r.Body)
			*ordered = append(*ordered, strings.TrimPrefix(r.URL.Path, "/dead-letters/")+" "+string(body))
			answer(http.StatusAccepted, map[string]any{"status": "open"})
		case r.URL.Path == "/dead-letters/1":
			answer(http.StatusOK, all[0])
		case r.URL.Path == "/dead-letters":
			found := slices.DeleteFunc(slices.Clone(all), func(d shop.DeadLetter) bool {
				return q.Get("status") != "" && d.Status != q.Get("status") || q.Get("consumer") != "" && d.Consumer != q.Get("consumer") || q.Get("before") == "2026-03-01T11:00:00Z"
			})
			at := 0
			_, _ = fmt.Sscan(q.Get("cursor"), &at)
			page := map[string]any{"deadLetters": found[min(at, len(found)):min(at+1, len(found))]}
			if at+1 < len(found) {
				page["next"] = fmt.Sprint(at + 1)
			}
			answer(http.StatusOK, page)
		default:
			answer(http.StatusNotFound, map[string]any{"code": "dead-letter.not-found", "status": 404})
		}
	}))
	t.Cleanup(api.Close)
	return shop.New(api.URL, "operator"), ordered
}

func TestDeadLetters(t *testing.T) {
	for name, tc := range map[string]struct {
		letters letters
		ids     []string
		out     string // a part of it
		err     string
		ordered []string
	}{
		"list":                {letters{what: "list"}, nil, "3 dead letters", "", nil},
		"list some":           {letters{what: "list", limit: 2}, nil, "2 dead letters", "", nil},
		"list of a consumer":  {letters{what: "list", consumer: "send-mails"}, nil, "1 dead letters", "", nil},
		"list old ones":       {letters{what: "list", olderThan: time.Hour, json: true}, nil, "[]", "", nil},
		"show":                {letters{what: "show"}, []string{"1"}, `"n": 1`, "", nil},
		"show none":           {letters{what: "show"}, []string{"9"}, "", "dead-letter.not-found", nil},
		"redrive one":         {letters{what: "redrive"}, []string{"1"}, "1 to be redriven", "", []string{`1/redrive {"takeOver":false}`}},
		"redrive, refused":    {letters{what: "redrive"}, []string{"3", "1"}, "3 refused", "1 of 2 were refused", []string{`1/redrive {"takeOver":false}`}},
		"redrive all":         {letters{what: "redrive", all: true}, nil, "1 dead letters", "", []string{`1/redrive {"takeOver":false}`}},
		"redrive all, held":   {letters{what: "redrive", all: true, takeOver: true}, nil, "2 dead letters", "", []string{`1/redrive {"takeOver":true}`, `2/redrive {"takeOver":true}`}},
		"redrive all, dry":    {letters{what: "redrive", all: true, dryRun: true}, nil, "start-saga", "", nil},
		"redrive one, dry":    {letters{what: "redrive", dryRun: true}, []string{"1"}, "trouble", "", nil},
		"discard all":         {letters{what: "discard", all: true, reason: "a test"}, nil, "3 dead letters", "", []string{`1/discard {"reason":"a test"}`, `2/discard {"reason":"a test"}`, `3/discard {"reason":"a test"}`}},
		"discard all, spent":  {letters{what: "discard", all: true, status: "spent", json: true}, nil, `"id": "3"`, "", []string{`3/discard {"reason":""}`}},
		"discard all of none": {letters{what: "discard", all: true, consumer: "nobody"}, nil, "0 dead letters", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			client, ordered := letterAPI(t)
			l := tc.letters
			l.client, l.clock, l.out, l.progress = client, clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), &out, io.Discard
			wantError(t, l.run(t.Context(), tc.ids), tc.err)
			if !strings.Contains(out.String(), tc.out) {
				t.Errorf("printed %q, want %q", out.String(), tc.out)
			}
			if !slices.Equal(*ordered, tc.ordered) {
				t.Errorf("ordered %q, want %q", *ordered, tc.ordered)
			}
		})
	}
}
