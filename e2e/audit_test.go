//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"orderflow/shared/aws/consumerqueue"
	"orderflow/shared/aws/journaltable"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/audit/whole"
	"orderflow/shared/read/view"
)

// runAudit runs the audit. The stack's schedule may have one under way.
func runAudit(t *testing.T) audit.Summary {
	t.Helper()
	return eventually(t, "an audit of the test's own", func() (audit.Summary, bool) {
		out, err := stack.functions.Invoke(
			t.Context(),
			&lambda.InvokeInput{FunctionName: deployed("audit-events"), Payload: []byte(`{}`)},
		)
		if err != nil || out.FunctionError != nil {
			t.Fatalf("audit: %v %s", err, out.Payload)
		}
		s := decode[audit.Summary](t, out.Payload)
		return s, !s.Busy && !s.Unfinished
	})
}

// noted is what the journal says of a stream.
type noted struct {
	settled audit.Spans // published or given up
	newest  int64       // version that project-views has met
}

// upTo reports whether all up to a version is published, and met.
func (n noted) upTo(version int64) bool {
	return n.newest == version && n.settled.String() == audit.Spans{{From: 1, Through: version}}.String()
}

func notedOf(t *testing.T, stream es.StreamID) noted {
	t.Helper()
	journal := journaltable.New(dynamodb.NewFromConfig(stack.config), stack.Outputs["JournalTable"])
	book := audit.NewBook(journal, clock.System{}, audit.OnBus, audit.InViews)
	if err := book.Cover(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	return noted{book.Settled(stream), book.Newest(stream)}
}

// An event that publish-events never published is found by the audit and published as
// publish-events would have: to the letter, for it does so late.
func TestLostEventsArePublished(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	account := es.StreamID("account/" + buyer.account)
	_, url := newConsumer(
		t, fmt.Sprintf(`{"source":["account-service"],"detail":{"subject":[%q]}}`, account),
		consumerqueue.ReplayAllowed,
	)
	both := func(what string, done func(noted) bool) {
		eventually(t, what, func() (noted, bool) { n := notedOf(t, account); return n, done(n) })
	}
	published := audit.Span{From: 3, Through: 3}
	both("opening and deposit are noted", func(n noted) bool { return n.upTo(2) })
	setVariables(t, "audit-events", map[string]string{"SETTLE_SECONDS": "1"})
	runAudit(t) // what other tests have broken is told now
	take(t, url)

	resume := pause(t, "publish-events")
	began := time.Now()
	buyer.deposit(t, 250)
	both("the deposit is seen", func(n noted) bool { return n.newest == 3 })
	if n := notedOf(t, account); n.settled.Has(published) {
		t.Fatalf("publish-events is not off: %+v", n)
	}
	var missing, republished int64
	both("the deposit is published", func(n noted) bool {
		if n.settled.Has(published) {
			return true
		}
		s := runAudit(t)
		missing, republished = missing+s.Missing, republished+s.Republished
		return notedOf(t, account).settled.Has(published)
	})
	if missing != 2 || republished != 2 { // the account's event, and that of the deposit itself
		t.Errorf("%d events were missing, and %d were published", missing, republished)
	}
	got := eventually(t, "the event arrives", func() ([]delivered, bool) { d := take(t, url); return d, len(d) > 0 })
	if len(got) != 1 || envelopeID(got[0]) != string(account)+"@3" {
		t.Fatalf("arrived is %v", got)
	}
	counted(t, began, `"EventsMissing":2`)

	if s := runAudit(t); s.Missing != 0 || s.Republished != 0 {
		t.Errorf("a second audit came to %+v", s)
	}
	if again := take(t, url); len(again) > 0 {
		t.Errorf("it published %v", again)
	}
	resume()
	late := eventually(
		t, "publish-events publishes it too", func() ([]delivered, bool) { d := take(t, url); return d, len(d) > 0 },
	)
	if len(late) != 1 || !reflect.DeepEqual(late[0]["detail"], got[0]["detail"]) ||
		late[0]["detail-type"] != got[0]["detail-type"] || late[0]["source"] != got[0]["source"] {
		t.Errorf("publish-events publishes\n%v\nand the audit published\n%v", late, got)
	}
	both("all is noted", func(n noted) bool { return n.upTo(3) })
}

// What both consumers of the events' stream have missed, the audit does not find. The command finds
// it in the table, publishes it as publish-events would have, and brings the views up to date.
func TestWhatNobodyHasHeardOf(t *testing.T) {
	program, folder := cli(t), t.TempDir()
	buyer := newCustomer(t, 1_000)
	account := es.StreamID("account/" + buyer.account)
	late := customer{id: "e2e-" + ident.New()}
	var err error
	if late.token, err = stack.CustomerToken(t.Context(), late.id); err != nil {
		t.Fatal(err)
	}
	registered := es.NewStreamID("customer", late.id)
	_, url := newConsumer(
		t, fmt.Sprintf(`{"detail":{"subject":[%q,%q]}}`, account, registered), consumerqueue.ReplayAllowed,
	)
	eventually(
		t, "opening and deposit are noted", func() (noted, bool) { n := notedOf(t, account); return n, n.upTo(2) },
	)
	setVariables(t, "audit-events", map[string]string{"SETTLE_SECONDS": "1"})
	runAudit(t) // since when commits are noted is known
	take(t, url)

	resumeBus, resumeViews := pause(t, "publish-events"), pause(t, "project-views")
	began := time.Now().UTC().Truncate(time.Second)
	buyer.deposit(t, 250)
	must[object](
		t, http.StatusCreated,
		post(late.token, "/customers", object{"name": "Test Person", "email": late.id + "@example.com"}),
	)
	args := []string{
		"events", "audit", "--from", began.Format(time.RFC3339), "--settle", "1s", "--state", folder, "--json",
	}
	// found runs the command and gives what it says of the two streams; other tests may have left
	// something of theirs.
	found := func(more ...string) (map[es.StreamID]whole.Finding, bool) {
		out, failed := command(t, program, append(args, more...)...)
		own := map[es.StreamID]whole.Finding{}
		for _, f := range decode[whole.Report](t, []byte(out)).Findings {
			if f.Stream == account || f.Stream == registered {
				own[f.Stream] = f
			}
		}
		return own, failed
	}
	lost := eventually(t, "both are found", func() (map[es.StreamID]whole.Finding, bool) {
		if time.Since(began) < 3*time.Second { // until then no commit is old enough to be judged
			return nil, false
		}
		own, failed := found()
		return own, failed && len(own) == 2
	})
	if a, c := lost[account], lost[registered]; a.Kind != whole.Unmarked || a.First != 3 || c.Kind != whole.Unmarked ||
		c.First != 1 || c.Mended {
		t.Errorf("found are %+v", lost)
	}
	runAudit(t)
	if n := notedOf(t, account); !n.upTo(2) {
		t.Fatalf("the audit has met it: %+v", n)
	}
	if got := take(t, url); len(got) > 0 {
		t.Fatalf("arrived is %v", got)
	}

	if mended, _ := found("--republish"); !mended[account].Mended || !mended[registered].Mended {
		t.Errorf("mended is %+v", mended)
	}
	first := map[string]delivered{}
	eventually(t, "both events arrive", func() (int, bool) {
		for _, d := range take(t, url) {
			if id := envelopeID(d); first[id] != nil {
				t.Errorf("%s comes twice", id)
			} else {
				first[id] = d
			}
		}
		return len(first), len(first) == 2
	})
	if first[string(account)+"@3"] == nil || first[string(registered)+"@1"] == nil {
		t.Errorf("arrived are %v", first)
	}
	for stream, version := range map[es.StreamID]int64{account: 3, registered: 1} {
		if n := notedOf(t, stream); !n.upTo(version) {
			t.Errorf("of %s is noted %+v", stream, n)
		}
		if out, failed := command(t, program, append(args, "--stream", string(stream))...); failed ||
			len(decode[whole.Report](t, []byte(out)).Findings) > 0 {
			t.Errorf("it is found again: %s", out)
		}
	}
	views := viewtable.New(stack.tables, stack.Outputs["ViewsTable"])
	row := func() view.Item {
		item, err := views.Row(
			t.Context(), view.Generation{View: "customers", Number: generationOf(t, "customers")}, late.id,
		)
		if err != nil {
			t.Fatal(err)
		}
		return item
	}
	before := row()
	if before.Sequence != 1 {
		t.Errorf("the view's row is %+v", before)
	}
	if again := take(t, url); len(again) > 0 {
		t.Errorf("finding publishes %v", again)
	}

	resumeBus()
	resumeViews()
	second := map[string]delivered{}
	eventually(t, "publish-events publishes both too", func() (int, bool) {
		for _, d := range take(t, url) {
			second[envelopeID(d)] = d
		}
		return len(second), len(second) == 2
	})
	for id, d := range second {
		if first[id] == nil || !reflect.DeepEqual(d["detail"], first[id]["detail"]) {
			t.Errorf("publish-events publishes\n%v\nand the command published\n%v", d, first[id])
		}
	}
	// Once a further event is in the view, the commit of before has been met.
	other := newCustomer(t, 0)
	eventually(
		t, "project-views goes on",
		func() (noted, bool) { n := notedOf(t, es.NewStreamID("customer", other.id)); return n, n.newest == 1 },
	)
	if after := row(); !reflect.DeepEqual(after, before) {
		t.Errorf("the row was %+v, and is %+v", before, after)
	}
}

// counted waits until the audit's log holds a metric, as it is written there.
func counted(t *testing.T, since time.Time, metric string) {
	t.Helper()
	eventually(t, "the metric "+metric, func() (string, bool) {
		log := logContent(t, since, "audit-events").text
		return log, strings.Contains(log, metric)
	})
}

// The audit's own event comes back to it, and where it doesn't, that is counted.
func TestCanary(t *testing.T) {
	setVariables(t, "audit-events", map[string]string{"SETTLE_SECONDS": "1"})
	if s := runAudit(t); s.Arrived < 1 {
		t.Fatalf("the audit came to %+v", s)
	}
	events := eventbridge.NewFromConfig(stack.config)
	rule, bus := aws.String(stack.Stack+"-audit-sampled"), aws.String(stack.Outputs["BusName"])
	enable := func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := events.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: rule, EventBusName: bus}); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(enable)
	if _, err := events.DisableRule(
		t.Context(), &eventbridge.DisableRuleInput{Name: rule, EventBusName: bus},
	); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	// it waits for the canary longer than the time to settle
	if s := runAudit(t); s.Arrived != 0 || s.CanaryMissing != 0 {
		t.Fatalf("without the rule the audit came to %+v", s)
	}
	if s := runAudit(t); s.CanaryMissing != 1 {
		t.Errorf("without the canary the audit came to %+v", s)
	}
	counted(t, began, `"CanaryMissing":1`)
	enable()
	if s := runAudit(t); s.CanaryMissing != 1 || s.Arrived != 1 {
		t.Errorf("with the rule the audit came to %+v", s)
	}
	if s := runAudit(t); s.CanaryMissing != 0 || s.Arrived != 1 {
		t.Errorf("with the rule for good the audit came to %+v", s)
	}
}
