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

// TestDeadLetterFlags: wrong flags are rejected before the first request.
func TestDeadLetterFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing answers there
	for _, tc := range []struct{ args, says string }{
		{"list --status lost", `--status: expected one of open, redriving, resolved, spent, discarded, got "lost"`},
		{"list --older-than -1h", `invalid argument "-1h" for "--older-than" flag`},
		{"list --older-than 0s", "--older-than: expected a duration above 0"},
		{"list --consumer=", `invalid argument "" for "--consumer" flag`},
		{"discard --all --consumer=", `invalid argument "" for "--consumer" flag`},
		{"discard --all --status=", `invalid argument "" for "--status" flag`},
		{"show ''", "deadletters show: argument 1 is empty"},
		{"redrive 1 ''", "deadletters redrive: argument 2 is empty"},
		{"list --limit -1", "--limit: expected 0 or more, got -1"},
		{"list extra", `deadletters list: expected no arguments, got "extra"`},
		{"show", "expected one entry id"},
		{"redrive", "expected ids, or --all"},
		{"redrive a --all", "expected either ids or --all, got both"},
		{"redrive a --consumer c", "filters: expected with --all only"},
		{"redrive --all --status resolved", `--status: expected one of open, spent, got "resolved"`},
		{"discard", "expected ids, or --all"},
		{"discard --all --take-over", "unknown flag"},
		{"mend", "unknown command"},
	} {
		cmd := root(&stackFlag{})
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

// letterAPI serves four entries, a page each, and records what it is asked to do.
func letterAPI(t *testing.T) (client *shop.Client, ordered *[]string) {
	ordered = &[]string{}
	all := []shop.DeadLetter{
		{
			ID: "1", Status: "open", Consumer: "start-saga", Kind: "queue", Error: "trouble",
			Message: json.RawMessage(`{"n":1}`), Decisions: []shop.Decision{{
				At: time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC), By: "person/jo", Action: "redrive",
				Reason: "role mended", TakeOver: true,
			}},
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

// deadLettersAt runs a command on dead letters against an API, at noon.
func deadLettersAt(ctx context.Context, client *shop.Client, args ...string) (string, error) {
	var out strings.Builder
	noon := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	cmd := deadLettersOf(noon, func(context.Context) (*shop.Client, error) { return client, nil })
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

func TestDeadLetters(t *testing.T) {
	for name, tc := range map[string]struct {
		args    string
		out     string // a part of it
		err     string
		ordered []string
	}{
		"list":               {"list", "4 entries", "", nil},
		"list some":          {"list --limit 2", "2 entries", "", nil},
		"list of a consumer": {"list --consumer send-mails", "1 entry", "", nil},
		"list old ones":      {"list --older-than 1h --json", "[]", "", nil},
		"show":               {"show 1", `"n": 1`, "", nil},
		"show what was decided": {
			"show 1", "redrive by person/jo, though the effect may happen twice: role mended", "", nil,
		},
		"show one not sent": {"show 3", "slow down", "", nil},
		"show none":         {"show 9", "", "dead-letter.not-found", nil},
		"redrive one":       {"redrive 1", "1 will be redriven", "", []string{`1/redrive {"takeOver":false}`}},
		"redrive one, why": {
			"redrive 1 --reason mended", "1 will be redriven", "",
			[]string{`1/redrive {"reason":"mended","takeOver":false}`},
		},
		"redrive, refused": {
			"redrive 3 1", "3 rejected", "deadletters redrive: 1 of 2 were rejected",
			[]string{`1/redrive {"takeOver":false}`},
		},
		"redrive all": {"redrive --all", "1 entry", "", []string{`1/redrive {"takeOver":false}`}},
		"redrive all, held": {
			"redrive --all --take-over", "2 entries", "",
			[]string{`1/redrive {"takeOver":true}`, `2/redrive {"takeOver":true}`},
		},
		"redrive all, dry":  {"redrive --all --dry-run", "start-saga", "", nil},
		"redrive one, dry":  {"redrive 1 --dry-run", "trouble", "", nil},
		"redrive what, dry": {"redrive 1 2 3 4 --dry-run", "1 entry", "", nil},
		"redrive held, dry": {"redrive 1 2 3 4 --dry-run --take-over", "2 entries", "", nil},
		"discard what, dry": {"discard 1 2 3 4 --dry-run", "3 entries", "", nil},
		"discard all": {
			"discard --all --reason test", "3 entries", "",
			[]string{`1/discard {"reason":"test"}`, `2/discard {"reason":"test"}`, `3/discard {"reason":"test"}`},
		},
		"discard all, spent": {
			"discard --all --status spent --json", `"id": "3"`, "", []string{`3/discard {"reason":""}`},
		},
		"discard all of none": {"discard --all --consumer nobody", "0 entries", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			client, ordered := letterAPI(t)
			out, err := deadLettersAt(t.Context(), client, strings.Fields(tc.args)...)
			wantError(t, err, tc.err)
			if !strings.Contains(out, tc.out) {
				t.Errorf("printed %q, want %q", out, tc.out)
			}
			if !slices.Equal(*ordered, tc.ordered) {
				t.Errorf("ordered %q, want %q", *ordered, tc.ordered)
			}
		})
	}
}

// TestInterruptedRedrive: an interrupted redrive reports what it did.
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
	out, err := deadLettersAt(ctx, shop.New(api.URL, "operator"), "redrive", "1", "2", "3", "--json")
	var stopped *stoppedError
	if !errors.As(err, &stopped) || !strings.Contains(stopped.hint, "1 of 3 are done") {
		t.Errorf("%v", err)
	}
	var done []decided
	if err := json.Unmarshal([]byte(out), &done); err != nil || len(done) != 1 || done[0].ID != "1" ||
		done[0].Status != "open" {
		t.Errorf("printed %q, %v", out, err)
	}
}
