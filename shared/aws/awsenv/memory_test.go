package awsenv

import (
	"math"
	"runtime/debug"
	"testing"
)

// A function collects less garbage than Go would, and never comes near the end of its memory with
// it. Who runs it may say otherwise.
func TestUseMemory(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	for name, tc := range map[string]struct {
		memory, gogc, goMemoryLimit string
		percent                     int
		limit                       int64
	}{
		"256 MB":            {"256", "", "", 400, 192 << 20},
		"of unknown memory": {"", "", "", 400, math.MaxInt64},
		"GOGC is set":       {"256", "50", "", 100, 192 << 20},
		"GOMEMLIMIT is set": {"256", "", "100MiB", 400, math.MaxInt64},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", tc.memory)
		t.Setenv("GOGC", tc.gogc)
		t.Setenv("GOMEMLIMIT", tc.goMemoryLimit)
		useMemory()
		if got, bound := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); got != tc.percent || bound != tc.limit {
			t.Errorf("%s: %d %%, %d bytes", name, got, bound)
		}
	}
}
