package main

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// However many requests are throttled at once, each has its own tries.
func TestThrottledRequestsHaveTheirTries(t *testing.T) {
	retryer := viewRetryer()
	throttled := &types.ProvisionedThroughputExceededException{}
	for i := range 10_000 {
		if _, err := retryer.GetRetryToken(t.Context(), throttled); err != nil {
			t.Fatalf("retry %d: %v", i, err)
		}
	}
	if !retryer.IsErrorRetryable(throttled) || retryer.MaxAttempts() != viewAttempts {
		t.Errorf("%d tries", retryer.MaxAttempts())
	}
}
