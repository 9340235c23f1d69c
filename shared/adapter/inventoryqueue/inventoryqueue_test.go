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
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/adapter/inventoryqueue"
	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/es/estest"
	"orderflow/shared/es/memstore"
	"orderflow/shared/stock"
	"orderflow/shared/stock/stocktest"
)

// world is a handler on a store in memory, with 10 of cd-1 and 2 of cd-2 on hand, and the answers that it gave.
type world struct {
	*testing.T
	store    *estest.Hooked
	counters *stocktest.Counters
	stock    stock.Service
	handler  inventoryqueue.Handler
	answers  []string
	tokenErr error // the answer to the next answers
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, store: &estest.Hooked{Store: memstore.New(es.NewRegistry(stock.Register))}, counters: stocktest.NewCounters()}
	now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	w.stock = stock.New(stock.Deps{Store: w.store, Clock: now, Counters: w.counters})
	w.handler = inventoryqueue.Handler{Stock: w.stock, Clock: now, Tokens: w}
	for sku, onHand := range map[string]int64{"cd-1": 10, "cd-2": 2} {
		if _, err := w.stock.Set(t.Context(), es.Request{CommitID: "set", Time: now.Now()}, sku, onHand, stock.Match{MustBeNew: true}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) Succeed(_ context.Context, token string, output any) error {
	w.answers = append(w.answers, fmt.Sprintf("%s succeeds: %+v", token, output))
	return w.tokenErr
}

func (w *world) Fail(_ context.Context, token, code, detail string) error {
	w.answers = append(w.answers, fmt.Sprintf("%s fails: %s: %s", token, code, detail))
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
	reserve  = `{"version":1,"command":"reserve.stock","taskToken":"t-1","orderId":"o-1","revision":1,"items":[{"sku":"cd-1","quantity":2},{"sku":"cd-1","quantity":1}],"sagaId":"o-1","correlationId":"c-1"}`
	tooMuch  = `{"version":1,"command":"reserve.stock","taskToken":"t-2","orderId":"o-2","revision":1,"items":[{"sku":"cd-1","quantity":1},{"sku":"cd-2","quantity":3},{"sku":"cd-9","quantity":1}],"sagaId":"o-2","correlationId":"c-2"}`
	release  = `{"version":1,"command":"release.stock","taskToken":"t-3","orderId":"o-1","revision":1,"items":[{"sku":"cd-2","quantity":50}],"sagaId":"o-1-undo-3","correlationId":"c-1"}`
	unheard  = `{"version":1,"command":"reserve.stock","orderId":"o-1","revision":1,"items":[{"sku":"cd-1","quantity":3}],"sagaId":"o-1","correlationId":""}`
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
		{"reserve again after release", []string{reserve, release, reserve}, []string{reserved, released, closed + " undone"}, 10},
		{"nobody waits", []string{unheard}, nil, 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			for _, body := range tc.bodies {
				if err := w.handler.Handle(t.Context(), []byte(body)); err != nil {
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

func TestCommitTellsWhereItComesFrom(t *testing.T) {
	w := newWorld(t)
	if err := w.handler.Handle(t.Context(), []byte(reserve)); err != nil {
		t.Fatal(err)
	}
	h := estest.Load(t, w.store, es.NewStreamID(stock.ReservationCategory, stock.ReservationID("o-1", 1)), 0)
	want := es.Metadata{CorrelationID: "c-1", CausationID: "o-1/reserve.stock", Actor: "order-saga"}
	if len(h.Events) != 1 || h.Events[0].Metadata != want {
		t.Errorf("stored %+v", h.Events)
	}
}

// TestCrash lets each command die at each place that it can die at, and come again as the queue sends it.
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
				if err := w.handler.Handle(t.Context(), []byte(tc.body)); !errors.Is(err, errDied) {
					t.Fatalf("the message that died ends with %v", err)
				}
				if place != "at the answer" && len(w.answers) > 0 {
					t.Errorf("answered %q", w.answers)
				}
				w.store.Before, w.store.After, w.tokenErr = nil, nil, nil
				for range 2 { // the queue may send even what is done
					if err := w.handler.Handle(t.Context(), []byte(tc.body)); err != nil {
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

func TestUnfit(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON":                 `reserve`,
		"empty":                   ``,
		"null":                    `null`,
		"a list":                  `[]`,
		"two commands":            reserve + reserve,
		"another version":         strings.Replace(reserve, `"version":1`, `"version":2`, 1),
		"no version":              strings.Replace(reserve, `"version":1,`, ``, 1),
		"another command":         strings.Replace(reserve, `reserve.stock`, `destroy.stock`, 1),
		"an unknown field":        strings.Replace(reserve, `"revision":1`, `"revision":1,"force":true`, 1),
		"an unknown field inside": strings.Replace(reserve, `"quantity":2`, `"quantity":2,"unit":"box"`, 1),
		"half a piece":            strings.Replace(reserve, `"quantity":2`, `"quantity":2.5`, 1),
		"no order":                strings.Replace(reserve, `"orderId":"o-1"`, `"orderId":""`, 1),
		"no revision":             strings.Replace(reserve, `"revision":1`, `"revision":0`, 1),
		"no run":                  strings.Replace(reserve, `"sagaId":"o-1"`, `"sagaId":""`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.handler.Handle(t.Context(), []byte(body)); !errors.Is(err, inventoryqueue.ErrUnfit) {
				t.Errorf("got %v", err)
			}
			if len(w.answers) > 0 || w.level("cd-1").Available != 10 {
				t.Errorf("answered %q", w.answers)
			}
		})
	}
}

// TestSamples carries out the sample invocations as the function would.
func TestSamples(t *testing.T) {
	for name, want := range map[string]error{
		"process-inventory.json": nil, "process-inventory-release.json": nil, "process-inventory-poison.json": inventoryqueue.ErrUnfit,
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "events", "samples", "invoke", name))
		if err != nil {
			t.Fatal(err)
		}
		var batch events.SQSEvent
		if err := json.Unmarshal(text, &batch); err != nil || len(batch.Records) != 1 {
			t.Fatalf("%s: %d messages, %v", name, len(batch.Records), err)
		}
		if err := newWorld(t).handler.Handle(t.Context(), []byte(batch.Records[0].Body)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
