package deadlettertest_test

import (
	"testing"

	"orderflow/shared/ops/deadletter"
	"orderflow/shared/ops/deadletter/deadlettertest"
)

func TestMemory(t *testing.T) {
	deadlettertest.Run(t, func(*testing.T) deadletter.Table { return &deadlettertest.Memory{} })
}
