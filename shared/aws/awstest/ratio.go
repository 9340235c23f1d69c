package awstest

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// minRounds is how often each side of a comparison runs at least, for a median that one pause of a
// busy machine does not move.
const minRounds = 500

// warmUp is how many rounds aren't counted: DynamoDB Local's compiler has not seen its code yet.
const warmUp = 100

// Ratio holds the time of op against that of baseline and prints "NAME ratio FIGURE". Both make
// ready outside of the time and return what is timed. They run in turns, so that what else the
// machine does hits both alike, and the figure is that of their medians. The benchmark's line has
// op's own time, bytes and allocations, and the baseline's beside them. A limit above 0 is printed
// on a line of its own, marked where the figure is over it: machines are noisy, so nothing fails.
func Ratio(b *testing.B, name string, limit float64, op, baseline func() func()) {
	b.Helper()
	var times [2][]float64
	sides := [2]func() func(){op, baseline}
	pair := func() {
		first := len(times[0]) % 2 // each is first half of the time
		for _, side := range []int{first, 1 - first} {
			run := sides[side]()
			began := time.Now()
			run()
			times[side] = append(times[side], float64(time.Since(began)))
		}
	}
	for range warmUp {
		pair()
	}
	times = [2][]float64{}
	for b.Loop() {
		pair()
	}
	for len(times[0]) < minRounds {
		pair()
	}
	own, bare := median(times[0]), median(times[1])
	bytes, allocs := allocated(op)
	bareBytes, bareAllocs := allocated(baseline)
	b.ReportMetric(own, "ns/op")
	b.ReportMetric(bytes, "B/op")
	b.ReportMetric(allocs, "allocs/op")
	b.ReportMetric(bare, "base-ns/op")
	b.ReportMetric(bareBytes, "base-B/op")
	b.ReportMetric(bareAllocs, "base-allocs/op")
	b.ReportMetric(own/bare, "ratio")
	fmt.Printf("%s ratio %.2f\n", name, own/bare)
	if limit > 0 {
		fmt.Printf("%s limit %.2f%s\n", name, limit, map[bool]string{true: " (over)"}[own/bare > limit])
	}
}

func median(times []float64) float64 {
	slices.Sort(times)
	return times[len(times)/2]
}

// allocated is what one run allocates on average.
func allocated(side func() func()) (bytes, objects float64) {
	const runs = 50
	for range runs {
		run := side()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		bytes += float64(after.TotalAlloc-before.TotalAlloc) / runs
		objects += float64(after.Mallocs-before.Mallocs) / runs
	}
	return bytes, objects
}
