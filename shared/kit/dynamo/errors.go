package dynamo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"orderflow/shared/kit/es"
)

// The reasons for which DynamoDB cancels a transaction, one for each of its items.
const (
	ReasonNone       = "None"
	ReasonCondition  = "ConditionalCheckFailed"
	ReasonConflict   = "TransactionConflict"
	ReasonThrottling = "ThrottlingError"
	ReasonThroughput = "ProvisionedThroughputExceeded"
)

// ConditionFailed reports whether the condition of a write was not met, and gives the item that it
// failed on. met is empty where there is none, or where the request didn't ask for it
// (ReturnValuesOnConditionCheckFailure).
func ConditionFailed(err error) (met Item, failed bool) {
	var refused *types.ConditionalCheckFailedException
	if !errors.As(err, &refused) {
		return nil, false
	}
	return refused.Item, true
}

// Contended reports whether a write met another one that is under way on the same item.
func Contended(err error) bool {
	var (
		conflict   *types.TransactionConflictException
		inProgress *types.TransactionInProgressException
		replicated *types.ReplicatedWriteConflictException
	)
	return errors.As(err, &conflict) || errors.As(err, &inProgress) || errors.As(err, &replicated)
}

// Cancelled gives the reasons of a transaction that was cancelled, one for each of its items; none
// for any other error.
func Cancelled(err error) []types.CancellationReason {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return nil
	}
	return cancelled.CancellationReasons
}

// Refused reports whether an item's condition is why its transaction was cancelled.
func Refused(r types.CancellationReason) bool { return aws.ToString(r.Code) == ReasonCondition }

// CancelledFor reports whether a transaction was cancelled for these reasons and no other. One
// other outweighs them: trying again would meet it.
func CancelledFor(err error, reasons ...string) bool {
	all := Cancelled(err)
	for _, r := range all {
		if code := aws.ToString(r.Code); code != "" && code != ReasonNone && !slices.Contains(reasons, code) {
			return false
		}
	}
	return len(all) > 0
}

// Throttled reports whether a transaction was cancelled for want of throughput, and besides for
// nothing but the given reasons.
func Throttled(err error, besides ...string) bool {
	throttled := slices.ContainsFunc(Cancelled(err), func(r types.CancellationReason) bool {
		code := aws.ToString(r.Code)
		return code == ReasonThrottling || code == ReasonThroughput
	})
	return throttled && CancelledFor(err, append(besides, ReasonThrottling, ReasonThroughput)...)
}

// RetryThrottled makes the client try a transaction that is Throttled again as it does a throttled
// put: the SDK leaves every cancelled transaction to its caller.
func RetryThrottled(besides ...string) func(*dynamodb.Options) {
	return func(o *dynamodb.Options) {
		if o.Retryer != nil {
			o.Retryer = retryer{Retryer: o.Retryer, besides: besides}
		}
	}
}

type retryer struct {
	aws.Retryer
	besides []string
}

// IsErrorRetryable implements aws.Retryer.
func (r retryer) IsErrorRetryable(err error) bool {
	return Throttled(err, slices.Clone(r.besides)...) || r.Retryer.IsErrorRetryable(err)
}

// Failed marks an error of the service as an es.ErrUnavailable where it MayPass; any other stays
// what it is, and none stays none.
func Failed(err error) error {
	if err == nil || errors.Is(err, es.ErrUnavailable) || !MayPass(err) {
		return err
	}
	return fmt.Errorf("%w: %w", es.ErrUnavailable, err)
}

// MayPass reports whether the same request may succeed when it is sent again: a throttle, another
// write under way, a service or connection that is down, an answer that breaks off. It knows the
// errors of the SDK, so those of other services of AWS too. A condition that failed is not among
// them, nor is a request that its caller has given up.
func MayPass(err error) bool {
	return Throttled(err) || Contended(err) || brokenAnswer(err) || theirs(err) ||
		retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}

// brokenAnswer reports whether an answer came and could not be read to its end, as when the
// connection breaks in the middle of it: the SDK takes that for final. A caller who has gone is
// another matter.
func brokenAnswer(err error) bool {
	var unreadable *smithy.DeserializationError
	return errors.As(err, &unreadable) && !errors.Is(err, context.Canceled)
}

// theirs reports whether the service says that the fault is its own, or that it is asked too often.
func theirs(err error) bool {
	var fault smithy.APIError
	if errors.As(err, &fault) && fault.ErrorFault() == smithy.FaultServer {
		return true
	}
	var answered interface{ HTTPStatusCode() int }
	return errors.As(err, &answered) && (answered.HTTPStatusCode() >= http.StatusInternalServerError ||
		answered.HTTPStatusCode() == http.StatusTooManyRequests)
}
