package deadlettertest_test

import (
	"testing"

	"orderflow/shared/deadletter"
	"orderflow/shared/deadletter/deadlettertest"
)

func TestMemory(t *testing.T) {
	deadlettertest.Run(t, func(*testing.T) deadletter.Table { return &deadlettertest.Memory{} })
}
