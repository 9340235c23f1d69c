package dynamostore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

func timeOf(t *testing.T, item attributes) time.Time {
	t.Helper()
	r := read(item)
	at := r.Time(attrTime)
	if r.Err() != nil {
		t.Error(r.Err())
	}
	return at
}

// TestStamp: commits have the time at which they are written, all of an append the same, unless
// they were decided later by a clock that is ahead.
func TestStamp(t *testing.T) {
	now := clock.NewFake(estest.Start.Add(time.Hour))
	var sent []time.Time
	api := fakeAPI{
		put: func(in *dynamodb.PutItemInput) error { sent = append(sent, timeOf(t, in.Item)); return nil },
		transact: func(in *dynamodb.TransactWriteItemsInput) error {
			for _, i := range in.TransactItems {
				sent = append(sent, timeOf(t, i.Put.Item))
			}
			return nil
		},
	}
	s := New(api, "events", es.NewRegistry(estest.Register), WithClock(now))
	of := func(stream es.StreamID, at time.Time) es.Commit {
		c := commitAt(stream, 3, "mine")
		c.Time = at
		return c
	}
	for _, tt := range []struct {
		commits []es.Commit
		want    []time.Time
	}{
		{[]es.Commit{of(order, estest.Start)}, []time.Time{now.Now()}},
		{[]es.Commit{of(order, now.Now().Add(time.Minute))}, []time.Time{now.Now().Add(time.Minute)}},
		{[]es.Commit{of(order, estest.Start), of(account, now.Now().Add(1))}, []time.Time{now.Now(), now.Now().Add(1)}},
	} {
		sent = nil
		before := slices.Clone(tt.commits)
		if _, err := s.Append(t.Context(), tt.commits); err != nil ||
			!slices.EqualFunc(sent, tt.want, time.Time.Equal) {
			t.Errorf("%v, %v, want %v", sent, err, tt.want)
		}
		for i := range before {
			if !tt.commits[i].Time.Equal(before[i].Time) {
				t.Error("the caller's commit is changed")
			}
		}
	}
}

// hanging is an API whose first puts don't come back before their callers have gone. What they
// bring arrives all the same where it says so.
type hanging struct {
	fakeAPI
	hangs   int
	arrives bool
	sent    []time.Time
	waited  []time.Duration
	there   attributes
}

func (h *hanging) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	r := read(in.Item)
	h.sent = append(h.sent, r.Time(attrTime))
	began := time.Now()
	if h.there != nil {
		return nil, &types.ConditionalCheckFailedException{Item: h.there}
	}
	if len(h.sent) > h.hangs {
		return &dynamodb.PutItemOutput{}, nil
	}
	if h.arrives {
		h.there = in.Item
	}
	<-ctx.Done()
	h.waited = append(h.waited, time.Since(began))
	return nil, &aws.RequestCanceledError{Err: ctx.Err()}
}

// TestWritesThatTakeTooLong: a try is given up after the limit, the next one has a stamp of its
// own, and finds what the one before it has written.
func TestWritesThatTakeTooLong(t *testing.T) {
	for _, tt := range []struct {
		name       string
		hangs      int
		arrives    bool
		within     time.Duration // that the caller has; 0 for as long as it takes
		tries      int
		recognised bool
		is, isNot  error
	}{
		{name: "at once", tries: 1},
		{name: "the second time", hangs: 1, tries: 2},
		{name: "the third time", hangs: 2, tries: 3},
		{name: "it has arrived", hangs: 1, arrives: true, tries: 2, recognised: true},
		{name: "never", hangs: 9, tries: 3, is: es.ErrUnavailable, isNot: es.ErrConflict},
		{name: "the caller's time is up first", hangs: 9, within: es.WriteLimit - 1, tries: 1,
			is: context.DeadlineExceeded, isNot: es.ErrUnavailable},
		{name: "the caller's time is up in between", hangs: 9, within: 2*es.WriteLimit - 1, tries: 2,
			is: context.DeadlineExceeded, isNot: es.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &hanging{hangs: tt.hangs, arrives: tt.arrives}
				s := New(api, "events", es.NewRegistry(estest.Register))
				ctx := t.Context()
				if tt.within > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.within)
					defer cancel()
				}
				began := time.Now()
				c := commitAt(order, 3, "mine")
				c.Time = began
				got, err := s.Append(ctx, []es.Commit{c})
				if !errors.Is(err, tt.is) || tt.isNot != nil && errors.Is(err, tt.isNot) ||
					got.Recognised != tt.recognised {
					t.Errorf("%+v, %v", got, err)
				}
				if len(api.sent) != tt.tries {
					t.Errorf("%d tries, want %d", len(api.sent), tt.tries)
				}
				for i, at := range api.sent {
					if want := began.Add(time.Duration(i) * es.WriteLimit); !at.Equal(want) {
						t.Errorf("try %d is stamped %v, want %v", i, at, want)
					}
				}
				for i, d := range api.waited {
					if d > es.WriteLimit {
						t.Errorf("try %d took %v", i, d)
					}
				}
			})
		})
	}
}
