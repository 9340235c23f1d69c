package inventoryqueue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/inbound/inventoryqueue"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/shop/stock"
)

// waiting is a state of the order saga that waits for the answer to a message.
type waiting struct {
	TimeoutSeconds int
	Retry          []struct {
		ErrorEquals     []string
		IntervalSeconds int
		MaxAttempts     int
	}
}

// saga reads the states of the deployed machine that wait for the queue.
func saga(t *testing.T) (reserve, release waiting) {
	t.Helper()
	text, err := os.ReadFile("../../../statemachines/order-saga.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	var machine struct{ States map[string]json.RawMessage }
	if err := json.Unmarshal(text, &machine); err != nil {
		t.Fatal(err)
	}
	for name, into := range map[string]*waiting{"ReserveStock": &reserve, "ReleaseStock": &release} {
		if err := json.Unmarshal(machine.States[name], into); err != nil {
			t.Fatal(err)
		}
	}
	return reserve, release
}

// sent gives the moments at which a state that begins at a moment sends a message, where each is
// answered only after the backlog, and when it ends: with the first answer in time, or with the
// last time-out.
func (w waiting) sent(at time.Duration, backlog time.Duration) (
	sent []time.Duration, end time.Duration, answered bool,
) {
	timeout := time.Duration(w.TimeoutSeconds) * time.Second
	for tries := 0; ; tries++ {
		sent = append(sent, at)
		if backlog < timeout {
			return sent, at + backlog, true
		}
		again := false
		for _, r := range w.Retry {
			if slices.Contains(r.ErrorEquals, "States.Timeout") || slices.Contains(r.ErrorEquals, "States.ALL") {
				again = tries < r.MaxAttempts
				at += timeout + time.Duration(r.IntervalSeconds)*time.Second
				break
			}
		}
		if !again {
			return sent, at, false
		}
	}
}

// runs are the tokens of runs that wait: they take any answer.
type runs struct{ answers int }

func (r *runs) Succeed(context.Context, string, any) error         { r.answers++; return nil }
func (r *runs) Fail(context.Context, string, string, string) error { r.answers++; return nil }

// TestBacklog: a queue that is behind gets one message a step, unless it is behind by minutes, and
// then a second one, which changes nothing. Each effect happens once. Before, with a minute for
// each of three and nine tries, it was three and nine messages.
func TestBacklog(t *testing.T) {
	reserve, release := saga(t)
	for _, tc := range []struct {
		backlog          time.Duration
		reserve, release int // messages
	}{
		{30 * time.Second, 1, 1}, {61 * time.Second, 1, 1}, {2 * time.Minute, 1, 1}, {239 * time.Second, 1, 1},
		{5 * time.Minute, 2, 2}, {time.Hour, 2, 2},
	} {
		t.Run(tc.backlog.String(), func(t *testing.T) {
			w := newWorld(t)
			w.handler.Tokens = &runs{}
			asked, end, _ := reserve.sent(0, tc.backlog)
			undone, _, _ := release.sent(end, tc.backlog) // a later step failed, or this one
			if len(asked) != tc.reserve || len(undone) != tc.release {
				t.Errorf(
					"%d messages to reserve, %d to release, want %d and %d", len(asked), len(undone), tc.reserve,
					tc.release,
				)
			}
			for i := range asked {
				w.handle(t, strings.Replace(bodyOf(inventoryqueue.ReserveStock), "t-0", fmt.Sprint("t-", i), 1))
			}
			for range undone {
				w.handle(t, bodyOf(inventoryqueue.ReleaseStock))
			}
			stream := es.NewStreamID(stock.ReservationCategory, stock.ReservationID("o-7", 1))
			effects := len(estest.Load(t, w.store, stream, 0).Events)
			if level := w.level("cd-1"); effects != 2 || level.Available != 10 || level.Reserved != 0 {
				t.Errorf("%d effects, and the level is %+v", effects, level)
			}
		})
	}
}

func bodyOf(command string) string {
	return fmt.Sprintf(`{"version":1,"command":%q,"taskToken":"t-0","orderId":"o-7","revision":1,`+
		`"items":[{"sku":"cd-1","quantity":2}],"sagaId":"o-7","correlationId":"c-7"}`, command)
}

func (w *world) handle(t *testing.T, body string) {
	t.Helper()
	if err := w.try(body); err != nil {
		t.Fatal(err)
	}
}

// TestLostMessageComesAgain: a message that nobody ever answers is sent a second time, and no
// answer that a second try can't change brings one.
func TestLostMessageComesAgain(t *testing.T) {
	reserve, release := saga(t)
	for name, state := range map[string]waiting{"reserve": reserve, "release": release} {
		if sent, _, answered := state.sent(0, 24*time.Hour); len(sent) != 2 || answered {
			t.Errorf("%s is sent at %v", name, sent)
		}
		// The queue gives a message up after three tries of a minute each: until then the run waits
		// for the one that it sent.
		if state.TimeoutSeconds <= 3*60 {
			t.Errorf("%s waits for %d s", name, state.TimeoutSeconds)
		}
	}
	for state, codes := range map[*waiting][]string{
		&reserve: {"stock.insufficient", "stock.invalid-quantity", "attempt.closed"},
		&release: {"stock.committed", "stock.inconsistent"},
	} {
		for _, code := range codes {
			if r := state.Retry[0]; !slices.Contains(r.ErrorEquals, code) || r.MaxAttempts != 0 {
				t.Errorf("%s is tried again", code)
			}
		}
	}
}
