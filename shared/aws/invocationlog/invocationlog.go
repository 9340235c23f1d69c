// Package invocationlog reads what functions have written into CloudWatch Logs: about an order, and
// where CountRequests is on, about their invocations.
package invocationlog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"orderflow/shared/kit/awsclient"
	"orderflow/shared/ops/cost"
)

// API is what the package needs of the CloudWatch Logs client.
type API interface {
	cloudwatchlogs.DescribeLogGroupsAPIClient
	cloudwatchlogs.FilterLogEventsAPIClient
}

// Log is the log groups of one stack's functions.
type Log struct {
	API   API
	Stack string
}

// Read adds up the invocations that ended from since on, before until. A function counts under its
// own name, without the stack's. Orders, transitions and requests to the API are not in these logs.
func (l Log) Read(ctx context.Context, since, until time.Time) (cost.Counts, error) {
	counts := cost.Counts{Functions: map[string]cost.Function{}}
	err := l.each(ctx, func(group, function string) error {
		return l.group(ctx, group, function, since, until, &counts)
	})
	return counts, err
}

// each calls f with the log group and the name of each function, until it fails.
func (l Log) each(ctx context.Context, f func(group, function string) error) error {
	prefix := "/aws/lambda/" + l.Stack + "-"
	groups := cloudwatchlogs.NewDescribeLogGroupsPaginator(
		l.API, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix},
	)
	for groups.HasMorePages() {
		page, err := groups.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("invocationlog: log groups of %s: %w", l.Stack, err)
		}
		for _, g := range page.LogGroups {
			name := aws.ToString(g.LogGroupName)
			if err := f(name, strings.TrimPrefix(name, prefix)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l Log) group(ctx context.Context, group, function string, since, until time.Time, counts *cost.Counts) error {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(l.API, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: &group, StartTime: aws.Int64(since.UnixMilli()), EndTime: aws.Int64(until.UnixMilli()),
	})
	others := int64(0) // bytes of the lines since the last invocation's end
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("invocationlog: %s: %w", group, err)
		}
		for _, e := range page.Events {
			text := aws.ToString(e.Message)
			counted, ok, err := parse(text)
			if err != nil {
				return fmt.Errorf("invocationlog: %s: %w", group, err)
			}
			if !ok {
				if ours(text) {
					others += int64(len(text))
				}
				continue
			}
			counts.Add(function, counted.Messages, others, counted.CPUMillis, counted.Requests)
			others = 0
		}
	}
	counts.AddLogs(function, others) // of one that goes on, or has ended before it could count
	return nil
}

// ours tells the program's own lines from those that Lambda writes, which cost.PlatformLogBytes
// stands for.
func ours(line string) bool { return strings.HasPrefix(line, "{") }

// line is what an invocation writes at its end.
type line struct {
	Message   string               `json:"message"`
	Messages  int64                `json:"messages"`
	Requests  []awsclient.Requests `json:"requests"`
	CPUMillis float64              `json:"cpuMs"`
}

// parse reads a line; ok is false where it says something else.
func parse(text string) (counted line, ok bool, err error) {
	if !strings.Contains(text, awsclient.CountedMessage) {
		return line{}, false, nil
	}
	if err := json.Unmarshal([]byte(text), &counted); err != nil {
		return line{}, false, fmt.Errorf("a line can't be read: %w", err)
	}
	return counted, counted.Message == awsclient.CountedMessage, nil
}
