package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
)

// What can't be meant is refused before anything is asked of anybody.
func TestDeadLetterFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // whoever asks all the same is refused there
	for _, tc := range []struct{ args, says string }{
		{"list --status lost", "--status is one of open, redriving, resolved, spent, discarded, not \"lost\""},
		{"list --older-than -1h", `invalid argument "-1h" for "--older-than" flag`},
		{"list --older-than 0s", "--older-than is a time"},
		{"list --consumer=", `invalid argument "" for "--consumer" flag`},
		{"discard --all --consumer=", `invalid argument "" for "--consumer" flag`},
		{"discard --all --status=", `invalid argument "" for "--status" flag`},
		{"show ''", "deadletters show: argument 1 is empty"},
		{"redrive 1 ''", "deadletters redrive: argument 2 is empty"},
		{"list --limit -1", "--limit is 0 or more"},
		{"list extra", `deadletters list: takes no arguments, not "extra"`},
		{"show", "give one dead letter's id"},
		{"redrive", "give ids, or --all"},
		{"redrive a --all", "give either ids or --all"},
		{"redrive a --consumer c", "filters go with --all"},
		{"redrive --all --status resolved", "--status is one of open, spent, not \"resolved\""},
		{"discard", "give ids, or --all"},
		{"discard --all --take-over", "unknown flag"},
		{"mend", "unknown command"},
	} {
		cmd := root()
		args := strings.Fields(tc.args)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "''", "")
		}
		cmd.SetArgs(append([]string{"deadletters"}, args...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %s", tc.args, err, tc.says)
		}
	}
}

// letterAPI serves four letters, a page each, and takes orders down.
func letterAPI(t *testing.T) (client *shop.Client, ordered *[]string) {
	ordered = &[]string{}
	all := []shop.DeadLetter{
		{
			ID: "1", Status: "open", Consumer: "start-saga", Kind: "queue", Error: "trouble",
			Message: json.RawMessage(`{"n":1}`),
		},
		{ID: "2", Status: "open", Consumer: "send-mails", Kind: "queue", Held: true},
		{ID: "3", Status: "spent", Consumer: "start-saga", Kind: "none", Hint: "look", RedriveError: "slow down"},
		{ID: "4", Status: "resolved", Consumer: "start-saga", Kind: "queue"},
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
			answer(
				http.StatusUnprocessableEntity,
				map[string]any{"code": "dead-letter.not-redrivable", "detail": "no way", "status": 422},
			)
		case r.Method == http.MethodPost:
			body, _ := io.ReadAll(r.Body)
			*ordered = append(*ordered, strings.TrimPrefix(r.URL.Path, "/dead-letters/")+" "+string(body))
			answer(http.StatusAccepted, map[string]any{"status": "open"})
		case slices.Contains(
			[]string{"/dead-letters/1", "/dead-letters/2", "/dead-letters/3", "/dead-letters/4"}, r.URL.Path,
		):
			answer(http.StatusOK, all[r.URL.Path[len(r.URL.Path)-1]-'1'])
		case r.URL.Path == "/dead-letters":
			found := slices.DeleteFunc(slices.Clone(all), func(d shop.DeadLetter) bool {
				return q.Get("status") != "" && d.Status != q.Get("status") || q.Get("consumer") != "" &&
					d.Consumer != q.Get("consumer") || q.Get("before") == "2026-03-01T11:00:00Z"
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
		"list":               {letters{what: "list"}, nil, "4 dead letters", "", nil},
		"list some":          {letters{what: "list", limit: 2}, nil, "2 dead letters", "", nil},
		"list of a consumer": {letters{what: "list", consumer: "send-mails"}, nil, "1 dead letter", "", nil},
		"list old ones":      {letters{what: "list", olderThan: time.Hour, json: true}, nil, "[]", "", nil},
		"show":               {letters{what: "show"}, []string{"1"}, `"n": 1`, "", nil},
		"show one not sent":  {letters{what: "show"}, []string{"3"}, "slow down", "", nil},
		"show none":          {letters{what: "show"}, []string{"9"}, "", "dead-letter.not-found", nil},
		"redrive one": {
			letters{what: "redrive"}, []string{"1"}, "1 to be redriven", "", []string{`1/redrive {"takeOver":false}`},
		},
		"redrive, refused": {
			letters{what: "redrive"}, []string{"3", "1"}, "3 refused", "1 of 2 were refused",
			[]string{`1/redrive {"takeOver":false}`},
		},
		"redrive all": {
			letters{what: "redrive", all: true}, nil, "1 dead letter", "", []string{`1/redrive {"takeOver":false}`},
		},
		"redrive all, held": {
			letters{what: "redrive", all: true, takeOver: true}, nil, "2 dead letters", "",
			[]string{`1/redrive {"takeOver":true}`, `2/redrive {"takeOver":true}`},
		},
		"redrive all, dry": {letters{what: "redrive", all: true, dryRun: true}, nil, "start-saga", "", nil},
		"redrive one, dry": {letters{what: "redrive", dryRun: true}, []string{"1"}, "trouble", "", nil},
		"redrive what, dry": {
			letters{what: "redrive", dryRun: true}, []string{"1", "2", "3", "4"}, "1 dead letter", "", nil,
		},
		"redrive held, dry": {
			letters{what: "redrive", dryRun: true, takeOver: true}, []string{"1", "2", "3", "4"}, "2 dead letters", "",
			nil,
		},
		"discard what, dry": {
			letters{what: "discard", dryRun: true}, []string{"1", "2", "3", "4"}, "3 dead letters", "", nil,
		},
		"discard all": {
			letters{what: "discard", all: true, reason: "a test"}, nil, "3 dead letters", "",
			[]string{`1/discard {"reason":"a test"}`, `2/discard {"reason":"a test"}`, `3/discard {"reason":"a test"}`},
		},
		"discard all, spent": {
			letters{what: "discard", all: true, status: "spent", json: true}, nil, `"id": "3"`, "",
			[]string{`3/discard {"reason":""}`},
		},
		"discard all of none": {
			letters{what: "discard", all: true, consumer: "nobody"}, nil, "0 dead letters", "", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			client, ordered := letterAPI(t)
			l := tc.letters
			l.client, l.clock, l.out, l.progress = client, clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
				&out, io.Discard
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

// Whoever interrupts a redrive is told what was done until then.
func TestInterruptedRedrive(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ordered := 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if ordered++; ordered == 2 {
			cancel()
			return
		}
		_, _ = io.WriteString(w, `{"status":"open"}`)
	}))
	defer api.Close()
	var out strings.Builder
	l := letters{
		what: "redrive", json: true, client: shop.New(api.URL, "operator"), clock: clock.NewFake(time.Now()), out: &out,
		progress: io.Discard,
	}
	err := l.run(ctx, []string{"1", "2", "3"})
	var stopped *stoppedError
	if !errors.As(err, &stopped) || !strings.Contains(stopped.hint, "1 of 3 are done") {
		t.Errorf("%v", err)
	}
	var done []decided
	if err := json.Unmarshal([]byte(out.String()), &done); err != nil || len(done) != 1 || done[0].ID != "1" ||
		done[0].Status != "open" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}
