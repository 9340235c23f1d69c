package cost

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math/big"
)

//go:embed idle.json
var idle []byte

// hours is how many a month has, as AWS counts.
const hours = 730

// Standing is what a stack has whether orders come or not.
type Standing struct {
	Alarms int64 `json:"alarms"` // each of one metric, or of as many as its expression has
	Series int64 `json:"series"` // custom metrics: a name with its dimensions' values
	Keys   int64 `json:"keys"`   // of KMS
	// Pollers is how many long polls at queues are open at any time; each lasts 20 seconds.
	Pollers int64 `json:"pollers"`
	// Schedules is how often an hour each function runs by the clock.
	Schedules map[string]int64 `json:"schedules"`
}

// pollSeconds is how long a poll of Lambda's at an empty queue lasts.
const pollSeconds = 20

// Usage is what stands around for a month.
func (s Standing) Usage() Usage {
	u := Usage{}
	u.count(AlarmMonth, s.Alarms)
	u.count(SeriesMonth, s.Series)
	u.count(KMSKeyMonth, s.Keys)
	u.count(SQSRequest, s.Pollers*3600/pollSeconds*hours)
	for _, perHour := range s.Schedules {
		runs := perHour * hours
		u.count(ScheduledInvoke, runs)
		u.count(LambdaRequest, runs)
	}
	return u
}

// Idle is what a month without orders uses: what stands around, and what the functions that run by
// the clock ask for.
func Idle() (Usage, error) {
	var recorded struct {
		Standing
		// Runs is one run of each function that runs by the clock.
		Runs map[string]Function `json:"runs"`
	}
	if err := json.Unmarshal(idle, &recorded); err != nil {
		return nil, fmt.Errorf("cost: idle month: %w", err)
	}
	u := recorded.Usage()
	for name, perHour := range recorded.Schedules {
		run, ok := recorded.Runs[name]
		if !ok || run.Invocations < 1 {
			return nil, fmt.Errorf("cost: idle month: no run of %s was counted", name)
		}
		one := Counts{Functions: map[string]Function{name: run}}.Usage()
		u = u.Plus(one.Scaled(big.NewRat(perHour*hours, run.Invocations)))
	}
	return u, nil
}
