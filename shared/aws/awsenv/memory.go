package awsenv

import (
	"os"
	"runtime/debug"
	"strconv"
)

// A function's heap is a few megabytes, at which Go collects garbage every few dozen requests, on a
// share of a CPU that somebody pays for. It may grow to five times what is in use, and near the
// function's memory no more: from three quarters of it on, Go collects as often as it takes.
const (
	garbagePercent = 400
	memoryPercent  = 75 // of what the function has, for what Go manages; the rest is the binary's
)

// useMemory lets Go use the memory that the function has. GOGC and GOMEMLIMIT overrule it.
func useMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	megabytes, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64)
	if err == nil && megabytes > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(megabytes << 20 * memoryPercent / 100)
	}
}
