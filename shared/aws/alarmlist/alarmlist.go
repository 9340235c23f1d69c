// Package alarmlist reads the alarms of a stack from CloudWatch.
package alarmlist

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/ops/alarms"
)

const (
	pageOfAlarms = 100 // the most that CloudWatch gives at once
	// mostPages is far above what a stack has, with the alarms of every consumer of its shop's own.
	mostPages = 10
)

// List reads the alarms of a stack: those that notify its topic. Names alone don't tell, since
// another stack's may begin with this one's and a hyphen.
type List struct {
	api   cloudwatch.DescribeAlarmsAPIClient
	stack string
}

// New makes a List of a stack's alarms.
func New(api cloudwatch.DescribeAlarmsAPIClient, stack string) List {
	return List{api: api, stack: stack}
}

// Alarms reads all, with a request for each hundred, in the order of alarms.Sort. More than a
// thousand are an error: who reads a part of them would take the rest for quiet.
func (l List) Alarms(ctx context.Context) ([]alarms.Alarm, error) {
	prefix := l.stack + "-"
	pages := cloudwatch.NewDescribeAlarmsPaginator(l.api, &cloudwatch.DescribeAlarmsInput{
		AlarmNamePrefix: aws.String(prefix), AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm},
		MaxRecords: aws.Int32(pageOfAlarms),
	})
	var all []alarms.Alarm
	for n := 0; pages.HasMorePages(); n++ {
		if n == mostPages {
			return nil, fmt.Errorf("alarmlist: more than %d alarms begin with %s", mostPages*pageOfAlarms, prefix)
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("alarmlist: describe alarms: %w", dynamo.Failed(err))
		}
		for _, a := range page.MetricAlarms {
			if slices.ContainsFunc(a.AlarmActions, l.isTopic) {
				all = append(all, alarmOf(prefix, a))
			}
		}
	}
	alarms.Sort(all)
	return all, nil
}

// isTopic reports whether an alarm's action notifies the stack's operations.
func (l List) isTopic(arn string) bool { return strings.HasSuffix(arn, ":"+l.stack+"-operations") }

func alarmOf(prefix string, a types.MetricAlarm) alarms.Alarm {
	out := alarms.Alarm{
		Name: strings.TrimPrefix(aws.ToString(a.AlarmName), prefix), State: alarms.State(a.StateValue),
		Reason: aws.ToString(a.StateReason), Silent: !aws.ToBool(a.ActionsEnabled),
	}
	switch { // a state that is confirmed is updated, and goes on
	case a.StateTransitionedTimestamp != nil:
		out.Since = *a.StateTransitionedTimestamp
	case a.StateUpdatedTimestamp != nil:
		out.Since = *a.StateUpdatedTimestamp
	}
	out.Describe(aws.ToString(a.AlarmDescription))
	return out
}
