package invocationlog

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/awsclient"
	"orderflow/shared/ops/cost"
)

// logs has groups and their lines, two a page.
type logs map[string][]string

func (l logs) DescribeLogGroups(
	_ context.Context, in *cloudwatchlogs.DescribeLogGroupsInput, _ ...func(*cloudwatchlogs.Options),
) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	out := &cloudwatchlogs.DescribeLogGroupsOutput{}
	for name := range l {
		if strings.HasPrefix(name, aws.ToString(in.LogGroupNamePrefix)) {
			out.LogGroups = append(out.LogGroups, types.LogGroup{LogGroupName: aws.String(name)})
		}
	}
	return out, nil
}

func (l logs) FilterLogEvents(
	_ context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options),
) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	lines, from := l[aws.ToString(in.LogGroupName)], len(aws.ToString(in.NextToken))
	out := &cloudwatchlogs.FilterLogEventsOutput{}
	for _, line := range lines[from:min(from+2, len(lines))] {
		out.Events = append(out.Events, types.FilteredLogEvent{Message: aws.String(line)})
	}
	if from+2 < len(lines) {
		out.NextToken = aws.String(strings.Repeat("x", from+2))
	}
	return out, nil
}

// Lines of Lambda's own, and what another stack has written, don't count.
func TestRead(t *testing.T) {
	const counted = `{"level":"INFO","message":"requests counted","messages":2,"requests":[` +
		`{"service":"DynamoDB","operation":"PutItem","on":"events","count":3,"writeUnits":4}],"ms":1,"cpuMs":0.5}`
	l := Log{Stack: "shop", API: logs{
		"/aws/lambda/shop-send-mails": {
			"START RequestId: 1", `{"message":"mail sent"}`, counted, "END RequestId: 1",
			`{"message":"mail says requests counted"}`, counted, "REPORT RequestId: 1",
			`{"message":"one more"}`,
		},
		"/aws/lambda/shopping-send-mails": {counted},
	}}
	got, err := l.Read(t.Context(), time.Time{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]cost.Function{"send-mails": {
		Invocations: 2, Messages: 4, CPUMillis: 1,
		LogBytes: int64(len(`{"message":"mail sent"}`) + len(`{"message":"mail says requests counted"}`) +
			len(`{"message":"one more"}`)),
		Requests: []awsclient.Requests{
			{Service: "DynamoDB", Operation: "PutItem", On: "events", Count: 6, Write: 8},
		},
	}}
	if diff := cmp.Diff(want, got.Functions); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

func TestReadRefusesWhatIsBroken(t *testing.T) {
	l := Log{Stack: "shop", API: logs{"/aws/lambda/shop-f": {`{"message":"requests counted","requests":[`}}}
	if _, err := l.Read(t.Context(), time.Time{}, time.Now()); err == nil || !strings.Contains(err.Error(), "shop-f") {
		t.Errorf("error %v", err)
	}
}
