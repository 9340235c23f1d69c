package eventarchive

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"orderflow/shared/kit/clock"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// aFake is EventBridge with one replay, which is in each of the states once and stays in the last.
type aFake struct {
	exists    bool
	existing  []string // rules of a replay that was started before
	states    []types.ReplayState
	startErr  error
	lookErr   error
	cancelErr error
	started   *eventbridge.StartReplayInput
	looks     int
	cancelled []error // of the context of each cancellation
}

func (f *aFake) DescribeArchive(
	_ context.Context, in *eventbridge.DescribeArchiveInput, _ ...func(*eventbridge.Options),
) (*eventbridge.DescribeArchiveOutput, error) {
	if *in.ArchiveName != "archive" {
		return nil, &types.ResourceNotFoundException{}
	}
	return &eventbridge.DescribeArchiveOutput{
		ArchiveArn: aws.String("arn:archive"), EventSourceArn: aws.String("arn:bus"),
		CreationTime: aws.Time(now.Add(-48 * time.Hour)),
	}, nil
}

func (f *aFake) StartReplay(
	_ context.Context, in *eventbridge.StartReplayInput, _ ...func(*eventbridge.Options),
) (*eventbridge.StartReplayOutput, error) {
	if f.startErr != nil {
		return nil, f.startErr
	}
	if f.exists {
		return nil, &types.ResourceAlreadyExistsException{}
	}
	f.started = in
	return &eventbridge.StartReplayOutput{}, nil
}

func (f *aFake) DescribeReplay(
	context.Context, *eventbridge.DescribeReplayInput, ...func(*eventbridge.Options),
) (*eventbridge.DescribeReplayOutput, error) {
	if f.lookErr != nil {
		return nil, f.lookErr
	}
	f.looks++
	rules := f.existing
	if f.started != nil {
		rules = f.started.Destination.FilterArns
	}
	return &eventbridge.DescribeReplayOutput{
		State: f.states[min(f.looks, len(f.states))-1], EventSourceArn: aws.String("arn:archive"),
		Destination:    &types.ReplayDestination{FilterArns: rules},
		EventStartTime: aws.Time(now.Add(-time.Hour)), EventEndTime: aws.Time(now),
		EventLastReplayedTime: aws.Time(now.Add(-time.Minute)),
	}, nil
}

func (f *aFake) CancelReplay(
	ctx context.Context, in *eventbridge.CancelReplayInput, _ ...func(*eventbridge.Options),
) (*eventbridge.CancelReplayOutput, error) {
	if *in.ReplayName != "again" {
		return nil, errors.New("another replay")
	}
	f.cancelled = append(f.cancelled, ctx.Err())
	return &eventbridge.CancelReplayOutput{}, f.cancelErr
}

var again = Replay{
	Name: "again", Archive: "archive", Rules: []string{"arn:b", "arn:a"}, From: now.Add(-time.Hour), To: now,
}

func TestRun(t *testing.T) {
	const starting, running, completed = types.ReplayStateStarting, types.ReplayStateRunning, types.ReplayStateCompleted
	for _, tc := range []struct {
		name   string
		api    aFake
		change func(*Replay)
		told   int
		err    error
		says   string
		from   time.Time
	}{
		{name: "completed", api: aFake{states: []types.ReplayState{starting, running, completed}}, told: 3},
		{
			name: "since the archive is kept", api: aFake{states: []types.ReplayState{completed}},
			change: func(r *Replay) { r.From = time.Time{} }, told: 1, from: now.Add(-48 * time.Hour),
		},
		{
			name: "failed", api: aFake{states: []types.ReplayState{running, types.ReplayStateFailed}}, told: 2,
			err: ErrFailed,
		},
		{
			name: "cancelled by somebody", api: aFake{states: []types.ReplayState{types.ReplayStateCancelled}}, told: 1,
			err: ErrFailed,
		},
		{
			name: "goes on already",
			api: aFake{
				exists: true, existing: []string{"arn:a", "arn:b"}, states: []types.ReplayState{running, completed},
			},
			told: 2,
		},
		{
			name: "has come to its end since",
			api:  aFake{exists: true, existing: []string{"arn:a", "arn:b"}, states: []types.ReplayState{completed}},
			told: 1,
		},
		{name: "has come to its end in another window",
			api:    aFake{exists: true, existing: []string{"arn:a", "arn:b"}, states: []types.ReplayState{completed}},
			change: func(r *Replay) { r.From = now.Add(-2 * time.Hour) }, from: now.Add(-2 * time.Hour),
			err: ErrNameTaken},
		{
			name: "has failed",
			api: aFake{
				exists: true, existing: []string{"arn:a", "arn:b"},
				states: []types.ReplayState{types.ReplayStateFailed},
			},
			err: ErrNameTaken,
		},
		{
			name: "goes on through other rules",
			api:  aFake{exists: true, existing: []string{"arn:c"}, states: []types.ReplayState{running}},
			err:  ErrNameTaken,
		},
		{name: "no archive", change: func(r *Replay) { r.Archive = "none" }, says: "find archive none"},
		{name: "no rules, which would be all", change: func(r *Replay) { r.Rules = nil }, says: "no rules"},
		{
			name: "before the archive", change: func(r *Replay) { r.From, r.To = time.Time{}, now.Add(-72*time.Hour) },
			says: "holds nothing",
		},
		{name: "refused", api: aFake{startErr: &types.LimitExceededException{}}, says: "start replay again"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, told := again, 0
			if tc.change != nil {
				tc.change(&r)
			}
			_, err := Run(t.Context(), &tc.api, clock.NewFake(now), r, func(Status) { told++ })
			if (err != nil) != (tc.err != nil || tc.says != "") || tc.err != nil && !errors.Is(err, tc.err) ||
				err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("%v", err)
			}
			if told != tc.told || len(tc.api.cancelled) > 0 {
				t.Errorf("told %d times, cancelled %d times", told, len(tc.api.cancelled))
			}
			if in := tc.api.started; in != nil {
				if tc.from.IsZero() {
					tc.from = again.From
				}
				if *in.ReplayName != "again" || *in.EventSourceArn != "arn:archive" ||
					*in.Destination.Arn != "arn:bus" || !slices.Equal(in.Destination.FilterArns, again.Rules) ||
					!in.EventStartTime.Equal(tc.from) || !in.EventEndTime.Equal(now) {
					t.Errorf("started %+v to %+v", in, in.Destination)
				}
			}
		})
	}
}

// Whoever stops waiting stops the replay, at whichever point that is, by a call that the end does
// not stop too.
func TestInterrupted(t *testing.T) {
	for name, tc := range map[string]struct {
		api  aFake
		says string
	}{
		"while it waits":  {api: aFake{states: []types.ReplayState{types.ReplayStateRunning}}},
		"while it starts": {api: aFake{startErr: context.Canceled}},
		"while it looks":  {api: aFake{lookErr: context.Canceled}},
		"it has ended": {
			api: aFake{
				states: []types.ReplayState{types.ReplayStateRunning}, cancelErr: &types.IllegalStatusException{},
			},
		},
		"it is not there": {api: aFake{startErr: context.Canceled, cancelErr: &types.ResourceNotFoundException{}}},
		"it can't be stopped": {
			api:  aFake{states: []types.ReplayState{types.ReplayStateRunning}, cancelErr: errors.New("no")},
			says: "which goes on",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			stop()
			_, err := Run(ctx, &tc.api, clock.NewFake(now), again, func(Status) {})
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error is %v", err)
			}
			if !slices.Equal(tc.api.cancelled, []error{nil}) {
				t.Errorf("cancelled: %v", tc.api.cancelled)
			}
		})
	}
}
