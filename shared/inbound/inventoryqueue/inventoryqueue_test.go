package inventoryqueue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/inbound/inventoryqueue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/poison"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
	"orderflow/shared/shop/trail"
)

// world is a handler on a store in memory, with 10 of cd-1 and 2 of cd-2 on hand, and the answers
// that it gave.
type world struct {
	*testing.T
	store    *estest.Hooked
	counters *stocktest.Counters
	stock    stock.Service
	handler  inventoryqueue.Handler
	mu       sync.Mutex // of answers, which are given side by side
	answers  []string
	tokenErr error // the answer to the next answers
}

func newWorld(t *testing.T) *world { return worldOn(t, memstore.Staggered(t.Name())) }

// newPlainWorld is one whose store answers each append.
func newPlainWorld(t *testing.T) *world { return worldOn(t) }

func worldOn(t *testing.T, options ...memstore.Option) *world {
	w := &world{T: t, store: &estest.Hooked{Store: memstore.New(es.NewRegistry(stock.Register), options...)},
		counters: stocktest.NewCounters()}
	now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	w.stock = stock.New(stock.Deps{Store: w.store, Clock: now, Counters: w.counters, Lines: w.counters})
	w.handler = inventoryqueue.Handler{Stock: w.stock, Clock: now, Tokens: w}
	for sku, onHand := range map[string]int64{"cd-1": 10, "cd-2": 2} {
		if _, err := w.stock.Set(
			t.Context(), es.Request{CommitID: "set", Time: now.Now()}, sku, onHand, stock.Match{MustBeNew: true},
		); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// traceparent comes with each message.
const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// try hands a message to the handler, alone.
func (w *world) try(body string) error { return w.batch(body)[0] }

// batch hands messages to the handler together.
func (w *world) batch(bodies ...string) []error {
	messages := make([][]byte, len(bodies))
	for i, body := range bodies {
		messages[i] = []byte(body)
	}
	trails := make([]trail.Trail, len(messages))
	for i, body := range messages {
		trails[i] = trail.OfMessage(body)
		trails[i].Traceparent, trails[i].Tracestate = traceparent, "a=1"
	}
	return w.handler.Handle(w.Context(), messages, trails)
}

func (w *world) Succeed(_ context.Context, token string, output any) error {
	return w.answer(fmt.Sprintf("%s succeeds: %+v", token, output))
}

func (w *world) Fail(_ context.Context, token, code, detail string) error {
	return w.answer(fmt.Sprintf("%s fails: %s: %s", token, code, detail))
}

// answer takes an answer to one of several runs.
func (w *world) answer(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, text)
	return w.tokenErr
}

func (w *world) level(sku string) stock.Level {
	w.Helper()
	level, err := w.stock.Get(w.Context(), sku)
	if err != nil {
		w.Fatal(err)
	}
	return level
}

const (
	reserve = `{"version":1,"command":"reserve.stock","taskToken":"t-1","orderId":"o-1","revision":1,` +
		`"items":[{"sku":"cd-1","quantity":2},{"sku":"cd-1","quantity":1}],"sagaId":"o-1","correlationId":"c-1"}`
	tooMuch = `{"version":1,"command":"reserve.stock","taskToken":"t-2","orderId":"o-2","revision":1,` +
		`"items":[{"sku":"cd-1","quantity":1},{"sku":"cd-2","quantity":3},{"sku":"cd-9","quantity":1}],` +
		`"sagaId":"o-2","correlationId":"c-2"}`
	release = `{"version":1,"command":"release.stock","taskToken":"t-3","orderId":"o-1","revision":1,` +
		`"items":[{"sku":"cd-2","quantity":50}],"sagaId":"o-1-undo-3","correlationId":"c-1"}`
	unheard = `{"version":1,"command":"reserve.stock","taskToken":"","orderId":"o-1","revision":1,` +
		`"items":[{"sku":"cd-1","quantity":3}],"sagaId":"o-1","correlationId":""}`
	refusals = `t-2 fails: stock.insufficient: not enough of "cd-2", "cd-9"`
)

var (
	reserved = fmt.Sprintf("t-1 succeeds: {ReservationID:%s}", stock.ReservationID("o-1", 1))
	released = fmt.Sprintf("t-3 succeeds: {ReservationID:%s}", stock.ReservationID("o-1", 1))
	closed   = fmt.Sprintf("t-1 fails: attempt.closed: reservation/%s is", stock.ReservationID("o-1", 1))
)

func TestHandle(t *testing.T) {
	for _, tc := range []struct {
		name    string
		bodies  []string
		answers []string
		left    int64 // available of cd-1
	}{
		{"reserve", []string{reserve}, []string{reserved}, 7},
		{"reserve twice", []string{reserve, reserve}, []string{reserved, reserved}, 7},
		{"too much", []string{tooMuch}, []string{refusals}, 10},
		{"too much, twice", []string{tooMuch, tooMuch}, []string{refusals, refusals}, 10},
		{"release takes what was reserved", []string{reserve, release}, []string{reserved, released}, 10},
		{"release twice", []string{reserve, release, release}, []string{reserved, released, released}, 10},
		{"release first", []string{release, reserve}, []string{released, closed + " voided"}, 10},
		{
			"reserve again after release", []string{reserve, release, reserve},
			[]string{reserved, released, closed + " undone"}, 10,
		},
		{"nobody waits", []string{unheard}, nil, 7},
		{"backorder what is there", []string{backorderOf(reserve)}, []string{reserved}, 7},
		{"backorder what is there, twice", []string{backorderOf(reserve), reserve}, []string{reserved, reserved}, 7},
		{"backorder too much", []string{backorderOf(tooMuch)}, []string{waits}, 10},
		{
			"backorder too much, twice", []string{backorderOf(tooMuch), backorderOf(tooMuch)},
			[]string{waits, waits}, 10,
		},
		{
			"release what waits", []string{backorderOf(tooMuch), strings.ReplaceAll(release, "o-1", "o-2"), tooMuch},
			[]string{waits, "t-3 succeeds: {ReservationID:" + stock.ReservationID("o-2", 1) + "}",
				"t-2 fails: attempt.closed: reservation/" + stock.ReservationID("o-2", 1) + " is voided"}, 10,
		},
		{
			"what there is, or wait", []string{partialOrWait(tooMuch), strings.ReplaceAll(release, "o-1", "o-2")},
			[]string{partly, "t-3 succeeds: {ReservationID:" + stock.ReservationID("o-2", 1) + "}"}, 10,
		},
		{
			"what there is, or wait, where there is nothing", []string{partialOrWait(strings.Replace(
				tooMuch, `{"sku":"cd-1","quantity":1},{"sku":"cd-2","quantity":3},`, "", 1,
			))}, []string{`t-2 fails: stock.backordered: waits for "cd-9"`}, 10,
		},
		{"what there is, where that is all", []string{partialOf(reserve)}, []string{reserved}, 7},
		{
			"what there is, twice", []string{partialOf(tooMuch), partialOf(tooMuch), strings.ReplaceAll(
				strings.ReplaceAll(release, "o-1", "o-2"), "t-3", "t-4",
			)}, []string{partly, partly, "t-4 succeeds: {ReservationID:" + stock.ReservationID("o-2", 1) + "}"}, 10,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			for _, body := range tc.bodies {
				if err := w.try(body); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(w.answers, tc.answers) {
				t.Errorf("answers %q, want %q", w.answers, tc.answers)
			}
			if level := w.level("cd-1"); level.Available != tc.left || level.OnHand != 10 {
				t.Errorf("left with %+v, want %d", level, tc.left)
			}
			if level := w.level("cd-2"); level.Available != 2 {
				t.Errorf("cd-2 is left with %+v", level)
			}
		})
	}
}

// backorderOf is a command to reserve that waits where stock is short.
func backorderOf(body string) string {
	return strings.Replace(body, inventoryqueue.ReserveStock, inventoryqueue.BackorderStock, 1)
}

// partialOf is a command to reserve what there is.
func partialOf(body string) string {
	return strings.Replace(body, inventoryqueue.ReserveStock, inventoryqueue.PartialStock, 1)
}

// partialOrWait is one that waits where there is nothing.
func partialOrWait(body string) string {
	return strings.Replace(body, inventoryqueue.ReserveStock, inventoryqueue.PartialBackorderStock, 1)
}

const (
	waits  = `t-2 fails: stock.backordered: waits for "cd-2", "cd-9"`
	partly = `t-2 fails: stock.partial: reserved what there is; not enough of "cd-2", "cd-9"`
)

func TestCommitTellsWhereItComesFrom(t *testing.T) {
	w := newWorld(t)
	if err := w.try(reserve); err != nil {
		t.Fatal(err)
	}
	h := estest.Load(t, w.store, es.NewStreamID(stock.ReservationCategory, stock.ReservationID("o-1", 1)), 0)
	want := es.Metadata{
		CorrelationID: "c-1", CausationID: "o-1/reserve.stock", Traceparent: traceparent, Tracestate: "a=1", Actor: "order-saga",
	}
	if len(h.Events) != 1 || h.Events[0].Metadata != want {
		t.Errorf("stored %+v", h.Events)
	}
}

// TestCrash lets each command die at each place that it can die at, and come again as the queue
// sends it.
func TestCrash(t *testing.T) {
	errDied := errors.New("died")
	for _, tc := range []struct {
		name, body string
		answer     string
		left       int64
	}{
		{"reserve", reserve, reserved, 7},
		{"refusal", tooMuch, refusals, 10},
		{"release of nothing", release, released, 10},
		{"what there is", partialOf(tooMuch), partly, 9},
	} {
		for place, interfere := range map[string]func(*world){
			"before the effect": func(w *world) { w.store.Before = func([]es.Commit) error { return errDied } },
			"after the effect": func(w *world) {
				w.store.After = func(_ es.Appended, err error) (es.Appended, error) {
					if err != nil {
						return es.Appended{}, err
					}
					return es.Appended{}, errDied
				}
			},
			"at the answer": func(w *world) { w.tokenErr = errDied },
		} {
			t.Run(tc.name+" "+place, func(t *testing.T) {
				w := newWorld(t)
				interfere(w)
				if err := w.try(tc.body); !errors.Is(err, errDied) {
					t.Fatalf("the message that died ends with %v", err)
				}
				if place != "at the answer" && len(w.answers) > 0 {
					t.Errorf("answered %q", w.answers)
				}
				w.store.Before, w.store.After, w.tokenErr = nil, nil, nil
				for range 2 { // the queue may send even what is done
					if err := w.try(tc.body); err != nil {
						t.Fatal(err)
					}
				}
				for _, answer := range w.answers {
					if answer != tc.answer {
						t.Errorf("answered %q, want %q", answer, tc.answer)
					}
				}
				if level := w.level("cd-1"); level.Available != tc.left {
					t.Errorf("left with %+v, want %d", level, tc.left)
				}
			})
		}
	}
}

// What breaks the schema has no effect, is told by place and rule without its values, and told to
// the run that waits, if the message is of the one version and says which run it is. So the command
// as it should be is carried out when it comes.
func TestUnfit(t *testing.T) {
	const items = `"items":[{"sku":"cd-1","quantity":2},{"sku":"cd-1","quantity":1}]`
	with := func(old, replacement string) string {
		if !strings.Contains(reserve, old) {
			t.Fatalf("no %s to replace", old)
		}
		return strings.Replace(reserve, old, replacement, 1)
	}
	for name, tc := range map[string]struct {
		body, reason string
		told         bool
	}{
		"no JSON":                 {`reserve`, "no JSON", false},
		"empty":                   {``, "no JSON: it ends too early", false},
		"null":                    {`null`, "message: expected object", false},
		"a list":                  {`[]`, "message: expected object", false},
		"two commands":            {reserve + reserve, "there is more behind", false},
		"a version of the future": {with(`"version":1`, `"version":2`), "version 2, known is 1", false},
		"no version":              {with(`"version":1,`, ``), "message: expected required property version", false},
		"a version in words":      {with(`"version":1`, `"version":"secret"`), "message.version: expected", false},
		"another command": {
			with(`reserve.stock`, `secret.stock`), "message.command: expected value to be one of", true,
		},
		"an unknown field": {
			with(`"revision":1`, `"revision":1,"force":"secret"`), "message.force: unexpected property", true,
		},
		"an unknown field inside": {
			with(`"quantity":2`, `"quantity":2,"unit":"secret"`), "message.items[0].unit: unexpected property", true,
		},
		"half a piece": {
			with(`"quantity":2`, `"quantity":2.5`), "message.items[0].quantity: expected integer", true,
		},
		"no piece": {
			with(`"quantity":1`, `"quantity":0`), "message.items[1].quantity: expected number >= 1", true,
		},
		"fewer than none": {
			with(`"quantity":2`, `"quantity":-2`), "message.items[0].quantity: expected number >= 1", true,
		},
		"no name of a piece": {
			with(`"sku":"cd-1"`, `"sku":""`), "message.items[0].sku: expected length >= 1", true,
		},
		"nothing of a piece": {
			with(`"sku":"cd-1",`, ``), "message.items[0]: expected required property sku", true,
		},
		"no order": {
			with(`"orderId":"o-1"`, `"orderId":""`), "message.orderId: expected length >= 1", true,
		},
		"no revision": {
			with(`"revision":1`, `"revision":0`), "message.revision: expected number >= 1", true,
		},
		"no run": {
			with(`"sagaId":"o-1"`, `"sagaId":""`), "message.sagaId: expected length >= 1", true,
		},
		"no correlation": {
			with(`,"correlationId":"c-1"`, ``), "message: expected required property correlationId", true,
		},
		"without items":  {with(items+`,`, ``), "message: expected required property items", true},
		"null for items": {with(items, `"items":null`), "message.items: expected array length >= 1", true},
		"nothing of which there is something": {
			partialOf(with(items, `"items":[]`)), "message.items: expected array length >= 1", true,
		},
		"no items": {with(items, `"items":[]`), "message.items: expected array length >= 1", true},
		"items in other letters": {
			with(`"items"`, `"Items"`), "message.items: expected its name in these letters", true,
		},
		"pieces in other letters": {
			with(`"quantity":2`, `"Quantity":2`), "message.items[0].quantity: expected its name in these letters", true,
		},
		"a command's in both": {
			with(`"command"`, `"COMMAND":"release.stock","command"`),
			"message.command: expected its name in these letters", true,
		},
		"no token": {
			with(`"taskToken":"t-1",`, ``), "message: expected required property taskToken", false,
		},
		"other letters": {
			with(`"taskToken"`, `"TaskToken"`), "message.taskToken: expected its name in these letters", false,
		},
		"nobody waits": {
			with(`"taskToken":"t-1","orderId":"o-1"`, `"taskToken":"","orderId":""`),
			"message.orderId: expected length >= 1", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			err := w.try(tc.body)
			if !errors.Is(err, inventoryqueue.ErrUnfit) || !poison.Is(err) ||
				!strings.Contains(err.Error(), tc.reason) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %q", err, tc.reason)
			}
			told := []string{}
			if tc.told {
				told = append(told, "t-1 fails: "+err.Error())
			}
			if !slices.Equal(w.answers, told) {
				t.Errorf("answered %q, want %q", w.answers, told)
			}
			w.answers = nil
			if err := w.try(reserve); err != nil ||
				!slices.Equal(w.answers, []string{reserved}) || w.level("cd-1").Available != 7 {
				t.Errorf("the command as it should be: %v, %q", err, w.answers)
			}
		})
	}
}

// A run that can't be told of its unfit command leaves the message in the queue like any other,
// with both errors, and is told when it comes again.
func TestUnfitUntold(t *testing.T) {
	w, down := newWorld(t), errors.New("down")
	w.tokenErr = down
	body := strings.Replace(reserve, `"orderId":"o-1"`, `"orderId":""`, 1)
	if err := w.try(body); !errors.Is(err, inventoryqueue.ErrUnfit) || !errors.Is(err, down) {
		t.Error(err)
	}
	w.tokenErr = nil
	if err := w.try(body); !errors.Is(err, inventoryqueue.ErrUnfit) || len(w.answers) != 2 {
		t.Errorf("%v, %q", err, w.answers)
	}
}

// TestSamples carries out the sample invocations as the function would.
func TestSamples(t *testing.T) {
	for name, want := range map[string]error{
		"process-inventory.json": nil, "process-inventory-release.json": nil,
		"process-inventory-poison.json": inventoryqueue.ErrUnfit,
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "events", "samples", "invoke", name))
		if err != nil {
			t.Fatal(err)
		}
		var batch events.SQSEvent
		if err := json.Unmarshal(text, &batch); err != nil || len(batch.Records) != 1 {
			t.Fatalf("%s: %d messages, %v", name, len(batch.Records), err)
		}
		if err := newWorld(t).try(batch.Records[0].Body); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
