package viewtest_test

import (
	"testing"

	"orderflow/shared/read/view/viewtest"
)

func TestMemory(t *testing.T) { viewtest.Run(t, viewtest.NewMemory()) }
