package archtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"orderflow/shared/ops/cost"
)

// How many long polls Lambda keeps open at a queue that is empty: two where it may go down to
// that, five where MaximumConcurrency keeps it from it
// (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).
const (
	pollersAtRest  = 2
	pollersBounded = 5
)

// customSeries are the series of metrics that a stack writes though no order comes: the latency of
// the audit's canary. Counts of 0 are not written.
const customSeries = 1

// standing is what a stack has with its default parameters, whether orders come or not.
func standing(t template, alarms int) (s cost.Standing, found findings) {
	s = cost.Standing{Alarms: int64(alarms), Series: customSeries, Schedules: map[string]int64{}}
	s.Keys = int64(len(t.ofType("AWS::KMS::Key")))
	for _, id := range t.ofType(serverlessFunction) {
		events, _ := t.prop(id, "Events").(object)
		for _, name := range slices.Sorted(maps.Keys(events)) {
			if at(events, name, "Type") != "SQS" || at(events, name, "Properties", "Enabled") != nil {
				continue // one that a parameter turns on is off by default
			}
			if at(events, name, "Properties", "ScalingConfig", "MaximumConcurrency") == nil {
				s.Pollers += pollersAtRest
			} else {
				s.Pollers += pollersBounded
			}
		}
	}
	for _, id := range t.ofType(scheduleType) {
		function := targetFunction(t, id)
		minutes, ok := everyMinutes(t, textOf(t.prop(id, "ScheduleExpression")))
		if !ok || function == "" || 60%minutes != 0 {
			found.addf("%s: its runs can't be counted", id)
			continue
		}
		s.Schedules[function] += int64(60 / minutes)
	}
	return s, found
}

// targetFunction is the function, by its own name, that a schedule invokes.
func targetFunction(t template, schedule string) string {
	id := target(t.prop(schedule, "Target", "Arn"))
	return functionName(t, id)
}

// textOf is a text, or one with references in it.
func textOf(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	return textAt(value, "Fn::Sub")
}

// everyMinutes reads rate(5 minutes), of which the number may be a parameter: then it is its
// default.
func everyMinutes(t template, expression string) (int, bool) {
	rate := regexp.MustCompile(`^rate\((?:\$\{(\w+)\}|(\d+)) minutes?\)$`).FindStringSubmatch(expression)
	if rate == nil {
		return 0, false
	}
	number := rate[2]
	if rate[1] != "" {
		number = textOf(at(t.Parameters[rate[1]], "Default"))
	}
	n, err := strconv.Atoi(number)
	return n, err == nil && n > 0
}

// TestMemory: the bill is of the memory that the template gives.
func TestMemory(t *testing.T) {
	whole := mainTemplate(t)
	for _, id := range whole.ofType(serverlessFunction) {
		name := functionName(whole, id)
		if got, want := fmt.Sprint(cost.MemoryMB(name)), fmt.Sprint(whole.prop(id, "MemorySize")); got != want {
			t.Errorf("orderflow cost takes %s to have %s MB, and the template gives it %s", name, got, want)
		}
	}
}

// TestMetricsOfOrders: the metrics that a month's bill has are some that the code writes.
func TestMetricsOfOrders(t *testing.T) {
	written := slices.Collect(maps.Values(metricNames(sources(t))))
	for _, s := range slices.Concat(cost.OfOrders, cost.OfCancelled) {
		if !slices.Contains(written, s.Metric) {
			t.Errorf("orderflow cost counts %s, which no code writes", s.Metric)
		}
	}
}

// TestIdleMonth: what `orderflow cost` says of a month without orders is what the template has.
func TestIdleMonth(t *testing.T) {
	whole := mainTemplate(t)
	// mail is off by default, and so are its alarms
	want, found := standing(whole, watched(inside(whole, nestedTemplates(t)), "HasMail", "ExpectsOrders"))
	wantNone(t, found)
	const file = "shared/ops/cost/idle.json"
	var got struct {
		cost.Standing

		Runs json.RawMessage `json:"runs"` // measured, and none of the template
	}
	if err := json.Unmarshal([]byte(readFile(t, file)), &got); err != nil {
		t.Fatal(err)
	}
	if *update {
		got.Standing = want
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(root, file), string(text)+"\n")
	}
	if got.Alarms != want.Alarms || got.Series != want.Series || got.Keys != want.Keys || got.Pollers != want.Pollers ||
		!maps.Equal(got.Schedules, want.Schedules) {
		t.Errorf("%s has %+v, and the template %+v: go generate ./shared/archtest", file, got.Standing, want)
	}
	if _, err := cost.Idle(); err != nil {
		t.Error(err)
	}
}
