package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// settleTime is what a try keeps of its time to say what came of the effect, and how long it may
// take to say it.
const settleTime = time.Second

var (
	// ErrNotDone is in the chain of an effect's error that says: it did not happen, and may if it
	// is tried again.
	ErrNotDone = errors.New("inbox: the effect did not happen")
	// ErrRefused is in the chain of an effect's error that says: it did not happen, and trying
	// again can't mend that.
	ErrRefused = errors.New("inbox: the effect was refused")
)

// Do claims the event, has the effect, and says what came of it. fresh is false, and result the
// stored one, where the effect happened before.
//
// An effect's error that is an ErrNotDone releases the claim, an ErrRefused fails it. Any other one
// is an ErrOutcomeUnknown. It, a panic and a crash leave the claim as it is: nobody knows whether
// the effect happened, and once the lease has ended the event is an ErrOutcomeUnknown, or is taken
// over where that is allowed. The same holds where the effect happened and saying so failed; the
// error then has the result. The effect's context ends a second ahead of the lease's end and of
// ctx's deadline, so that there is time to say what came of it; where that is over before the
// effect began, it is an ErrNotDone.
func (i Inbox) Do(
	ctx context.Context, e Event, effect func(context.Context) (result string, err error),
) (result string, fresh bool, err error) {
	claim, err := i.Claim(ctx, e)
	if err != nil || claim.Done {
		return claim.Result, false, err
	}
	result, err = i.try(ctx, claim, effect)
	settling, cancel := settle(ctx)
	defer cancel()
	switch {
	case err == nil:
		if err = i.Done(settling, claim, result); err != nil {
			err = fmt.Errorf(
				"inbox: the effect happened, with the result %q, and that could not be kept: %w", result, err,
			)
		}
	case errors.Is(err, ErrRefused):
		err = errors.Join(err, i.Fail(settling, claim, err.Error()))
	case errors.Is(err, ErrNotDone):
		err = errors.Join(err, i.Release(settling, claim))
	default:
		err = fmt.Errorf("%w: %s: %w", ErrOutcomeUnknown, e.ID, err)
	}
	return result, true, err
}

// try has the effect in the time that is left: the lease began before the claim was written, and is
// over when the inbox's clock says so.
func (i Inbox) try(ctx context.Context, claim Claim, effect func(context.Context) (string, error)) (string, error) {
	within, cancel := context.WithTimeout(ctx, claim.Until().Sub(i.Clock.Now())-settleTime)
	defer cancel()
	if deadline, ok := ctx.Deadline(); ok {
		var sooner context.CancelFunc
		within, sooner = context.WithDeadline(within, deadline.Add(-settleTime))
		defer sooner()
	}
	if err := within.Err(); err != nil {
		return "", fmt.Errorf("%w: no time is left for it: %w", ErrNotDone, err)
	}
	return effect(within)
}

// settle is a context for what has to be said though ctx has ended.
func settle(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTime)
}
