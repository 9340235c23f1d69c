// Package eventarchive has EventBridge replay what an archive of a bus holds.
package eventarchive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"orderflow/shared/kit/clock"
)

// poll is how long lies between two looks at a replay. EventBridge goes through it by minutes of
// the events' time.
const poll = 2 * time.Second

// cancelWait is how long a cancellation may take: the replay's own context has ended by then.
const cancelWait = 15 * time.Second

var (
	// ErrNameTaken says that a replay of that name was of another window, other rules, or failed.
	// EventBridge keeps them for 90 days.
	ErrNameTaken = errors.New("eventarchive: the name belongs to another replay")
	// ErrFailed says that EventBridge gave a replay up, or that somebody cancelled it.
	ErrFailed = errors.New("eventarchive: the replay did not complete")
)

// API is what is needed of the EventBridge client.
type API interface {
	DescribeArchive(
		context.Context, *eventbridge.DescribeArchiveInput, ...func(*eventbridge.Options),
	) (*eventbridge.DescribeArchiveOutput, error)
	StartReplay(
		context.Context, *eventbridge.StartReplayInput, ...func(*eventbridge.Options),
	) (*eventbridge.StartReplayOutput, error)
	DescribeReplay(
		context.Context, *eventbridge.DescribeReplayInput, ...func(*eventbridge.Options),
	) (*eventbridge.DescribeReplayOutput, error)
	CancelReplay(
		context.Context, *eventbridge.CancelReplayInput, ...func(*eventbridge.Options),
	) (*eventbridge.CancelReplayOutput, error)
}

// Replay is what EventBridge is asked to replay.
type Replay struct {
	Name    string
	Archive string    // its name
	Rules   []string  // ARNs of the rules that get the events, at least one; no other rule of the bus does
	From    time.Time // of the events' own time; zero: since the archive is kept
	To      time.Time
}

// Status is where a replay stands.
type Status struct {
	State    string
	From, To time.Time
	Last     time.Time // the time of the event that was replayed last; zero before the first
}

// Run has EventBridge replay and waits for the end. One of the name that goes on already, of the
// same, is waited for: the program that started it has ended. progress is told after each look.
// When ctx ends, the replay is cancelled, and the error is ctx's.
func Run(ctx context.Context, api API, clk clock.Clock, r Replay, progress func(Status)) (Status, error) {
	if len(r.Rules) == 0 {
		return Status{}, errors.New("eventarchive: no rules: EventBridge would replay to all")
	}
	archive, err := api.DescribeArchive(ctx, &eventbridge.DescribeArchiveInput{ArchiveName: &r.Archive})
	if err != nil {
		return Status{}, fmt.Errorf("eventarchive: find archive %s: %w", r.Archive, err)
	}
	if r.From.IsZero() {
		r.From = aws.ToTime(archive.CreationTime)
	}
	if !r.From.Before(r.To) {
		return Status{}, fmt.Errorf(
			"eventarchive: archive %s holds nothing from before %s", r.Archive, r.From.UTC().Format(time.RFC3339),
		)
	}
	_, err = api.StartReplay(ctx, &eventbridge.StartReplayInput{
		ReplayName: &r.Name, EventSourceArn: archive.ArchiveArn, EventStartTime: &r.From, EventEndTime: &r.To,
		Destination: &types.ReplayDestination{Arn: archive.EventSourceArn, FilterArns: r.Rules},
	})
	var exists *types.ResourceAlreadyExistsException
	joined := errors.As(err, &exists)
	if err != nil && !joined {
		if ctx.Err() != nil {
			return Status{}, errors.Join(ctx.Err(), cancel(ctx, api, r.Name)) // it may have arrived
		}
		return Status{}, fmt.Errorf("eventarchive: start replay %s: %w", r.Name, err)
	}
	for {
		status, err := look(ctx, api, r, archive, joined)
		if err == nil {
			joined = false
			progress(status)
			switch types.ReplayState(status.State) {
			case types.ReplayStateCompleted:
				return status, nil
			case types.ReplayStateCancelled, types.ReplayStateFailed:
				return status, fmt.Errorf("%w: %s is %s", ErrFailed, r.Name, status.State)
			}
			err = clk.Sleep(ctx, poll)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return status, errors.Join(ctx.Err(), cancel(ctx, api, r.Name))
		case err != nil:
			return status, err
		}
	}
}

// look describes the replay. With joined, it has to be of what was asked for, and go on or have
// come to its end in the very window: a program that died while it waited is given again when all
// is done.
func look(
	ctx context.Context, api API, r Replay, archive *eventbridge.DescribeArchiveOutput, joined bool,
) (Status, error) {
	out, err := api.DescribeReplay(ctx, &eventbridge.DescribeReplayInput{ReplayName: &r.Name})
	if err != nil {
		return Status{}, fmt.Errorf("eventarchive: look at replay %s: %w", r.Name, err)
	}
	if joined {
		goes := out.State == types.ReplayStateStarting || out.State == types.ReplayStateRunning
		done := out.State == types.ReplayStateCompleted && sameSecond(out.EventStartTime, r.From) &&
			sameSecond(out.EventEndTime, r.To)
		var rules []string
		if out.Destination != nil {
			rules = slices.Sorted(slices.Values(out.Destination.FilterArns))
		}
		if !goes && !done || aws.ToString(out.EventSourceArn) != aws.ToString(archive.ArchiveArn) ||
			!slices.Equal(rules, slices.Sorted(slices.Values(r.Rules))) {
			return Status{}, fmt.Errorf("%w: %s is %s; give another --name", ErrNameTaken, r.Name, out.State)
		}
	}
	return Status{
		State: string(out.State), From: aws.ToTime(out.EventStartTime), To: aws.ToTime(out.EventEndTime),
		Last: aws.ToTime(out.EventLastReplayedTime),
	}, nil
}

// sameSecond compares with a time that EventBridge gives back, which it keeps in seconds.
func sameSecond(kept *time.Time, asked time.Time) bool {
	return kept != nil && kept.Unix() == asked.Unix()
}

func cancel(ctx context.Context, api API, name string) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), cancelWait)
	defer done()
	_, err := api.CancelReplay(ctx, &eventbridge.CancelReplayInput{ReplayName: &name})
	var missing *types.ResourceNotFoundException
	var ended *types.IllegalStatusException
	if err == nil || errors.As(err, &missing) || errors.As(err, &ended) {
		return nil
	}
	return fmt.Errorf("eventarchive: cancel replay %s, which goes on: %w", name, err)
}
