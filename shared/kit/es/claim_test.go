package es_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
)

// claiming is a request under the key k for the n-th target.
func claiming(n int) es.Request {
	req := request("k")
	req.Fingerprint = fmt.Sprintf("of target %d", n)
	req.Claim = es.Claim{Stream: "request/k", Event: opened{n}}
	return req
}

func claims(t *testing.T, s es.Store) []es.Recorded {
	t.Helper()
	return estest.Load(t, s, "request/k", 0).Events
}

// TestClaim: a key that had an effect on one stream has none on another, and the claim is written
// with that effect.
func TestClaim(t *testing.T) {
	s := newHooked()
	h := things(s)
	got, err := h.Handle(t.Context(), "1", claiming(1), 3)
	if err != nil || got.State != 3 || got.Head.Stream() != "thing/1" || s.Appends.Load() != 1 ||
		s.Loads.Load() != 1 {
		t.Fatalf("%+v, %v with %d appends and %d loads", got, err, s.Appends.Load(), s.Loads.Load())
	}
	if c := claims(t, s); len(c) != 1 || c[0].Data != (opened{1}) || c[0].Fingerprint != "of target 1" {
		t.Errorf("the claim is %+v", c)
	}
	loads := s.Loads.Load()
	if got, err = h.Handle(t.Context(), "1", claiming(1), 3); err != nil || !got.Repeated ||
		s.Loads.Load()-loads != 1 {
		t.Errorf("again: %+v, %v with %d loads", got, err, s.Loads.Load()-loads)
	}
	for name, command := range map[string]int{"something": 3, "nothing": 0, "too much": 11} {
		if _, err := h.Handle(t.Context(), "2", claiming(2), command); !errors.Is(err, es.ErrKeyReused) {
			t.Errorf("%s on another stream: %v", name, err)
		}
		if _, err := h.HandleAt(t.Context(), "2", 0, claiming(2), command); !errors.Is(err, es.ErrKeyReused) {
			t.Errorf("%s on another stream at a version: %v", name, err)
		}
	}
	another := claiming(1)
	another.Fingerprint = "of another body"
	if _, err := h.Handle(t.Context(), "1", another, 3); !errors.Is(err, es.ErrKeyReused) {
		t.Errorf("another body: %v", err)
	}
	if len(claims(t, s)) != 1 || len(estest.Load(t, s, "thing/2", 0).Events) != 0 {
		t.Errorf("written: %+v", claims(t, s))
	}
}

// TestClaimOfNothing: a command that writes nothing leaves its key free.
func TestClaimOfNothing(t *testing.T) {
	s := newHooked()
	h := things(s)
	if got, err := h.Handle(t.Context(), "1", claiming(1), 0); err != nil || got.Head.Version() != 0 {
		t.Errorf("nothing to do: %+v, %v", got, err)
	}
	if _, err := h.Handle(t.Context(), "1", claiming(1), 11); !errors.Is(err, errTooMuch) {
		t.Errorf("refused: %v", err)
	}
	if got, err := h.Handle(t.Context(), "2", claiming(2), 4); err != nil || got.State != 4 {
		t.Errorf("the key again: %+v, %v", got, err)
	}
}

// TestClaimGoesOn: a request that claimed its key and got no further is carried out when it comes
// again.
func TestClaimGoesOn(t *testing.T) {
	s := newHooked()
	req := claiming(1)
	estest.Append(t, s, estest.Load(t, s, "request/k", 0).Head, "first effect", opened{1})
	req.Fingerprint = "" // as of that commit
	got, err := things(s).Handle(t.Context(), "1", req, 3)
	if err != nil || got.State != 3 || len(claims(t, s)) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	// Where that is known, the claim is read, and no append meets it.
	appends := s.Appends.Load()
	req.CommitID, req.Claim.Begun = "next", true
	got, err = things(s).Handle(t.Context(), "1", req, 3)
	if err != nil || got.State != 6 || len(claims(t, s)) != 1 || s.Appends.Load() != appends+1 {
		t.Errorf("%+v, %v with %d appends", got, err, s.Appends.Load()-appends)
	}
}

// TestClaimRace: of requests for many targets under one key one is carried out, whatever is lost on
// the way.
func TestClaimRace(t *testing.T) {
	const n = 8
	for name, injected := range map[string][]string{
		"": nil, "conflicts": {estest.Conflict, "", estest.Conflict}, "a lost answer": {estest.Lost},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHooked()
			if injected != nil {
				s.Inject(injected)
			}
			errs := make([]error, n)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					for range 3 { // a client sends a request again whose answer it didn't get
						_, errs[i] = things(s).Handle(context.Background(), fmt.Sprint(i), claiming(i), 3)
						if !errors.Is(errs[i], estest.ErrLost) {
							return
						}
					}
				})
			}
			wg.Wait()
			s.Heal()
			done := 0
			for i, err := range errs {
				written := len(estest.Load(t, s, es.NewStreamID("thing", fmt.Sprint(i)), 0).Events)
				switch {
				case err == nil && written == 2:
					done++
				case !errors.Is(err, es.ErrKeyReused) || written != 0:
					t.Errorf("request %d: %v, and %d events", i, err, written)
				}
			}
			if done != 1 || len(claims(t, s)) != 1 {
				t.Errorf("%d requests were carried out, with %d claims", done, len(claims(t, s)))
			}
		})
	}
}

// TestClaimOfAnAttempt: an attempt claims its key with whatever it writes first, also where it
// undoes.
func TestClaimOfAnAttempt(t *testing.T) {
	s := newHooked()
	registry := es.NewRegistry(register, registerHold)
	s.Store = memstore.New(registry)
	attempt := es.Attempt[hold]{
		Category: "hold", Store: s, Clock: clock.NewFake(estest.Start), Fold: foldHold,
		Status: func(h hold) es.AttemptStatus { return h.status },
	}
	for i, command := range []func(id string, req es.Request) error{
		func(id string, req es.Request) error {
			_, err := attempt.Do(t.Context(), id, req, func(context.Context, *es.Reads) (es.Plan, error) {
				return es.Plan{Event: taken{}}, nil
			})
			return err
		},
		func(id string, req es.Request) error {
			_, err := attempt.Undo(t.Context(), id, req, forgone{}, nil)
			return err
		},
	} {
		req := func(n int) es.Request {
			r := claiming(n)
			r.CommitID, r.Claim.Stream = fmt.Sprint("k", i), es.StreamID(fmt.Sprint("request/k", i))
			return r
		}
		first, second := fmt.Sprint(i, "a"), fmt.Sprint(i, "b")
		if err := errors.Join(command(first, req(1)), command(first, req(1))); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if err := command(second, req(2)); !errors.Is(err, es.ErrKeyReused) {
			t.Errorf("%d: another target: %v", i, err)
		}
		if n := len(estest.Load(t, s, es.NewStreamID("hold", second), 0).Events); n != 0 {
			t.Errorf("%d: %d events on another target", i, n)
		}
	}
}

// TestClaimCheck tells another target before anything is known of the request's fingerprint.
func TestClaimCheck(t *testing.T) {
	s := newHooked()
	if err := claiming(1).Claim.Check(t.Context(), s); err != nil {
		t.Error(err)
	}
	if _, err := things(s).Handle(t.Context(), "1", claiming(1), 3); err != nil {
		t.Fatal(err)
	}
	if err := claiming(1).Claim.Check(t.Context(), s); err != nil {
		t.Error(err)
	}
	if err := claiming(2).Claim.Check(t.Context(), s); !errors.Is(err, es.ErrKeyReused) {
		t.Error(err)
	}
}

// TestTwinOfAClaim: of two deliveries of one request the one finds the claim without the command,
// or the command without the claim.
func TestTwinOfAClaim(t *testing.T) {
	estest.Twins(t, 2, func(t *testing.T) (*memstore.Store, func() (string, error)) {
		s := memstore.New(es.NewRegistry(register))
		return s, func() (string, error) {
			got, err := things(s).Handle(t.Context(), "1", claiming(1), 6) // twice would be too much
			return fmt.Sprint(got.State, got.Head.Version()), err
		}
	})
}
