package invocationlog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/google/go-cmp/cmp"
)

const orderID = "924a0ed6-c797-5b84-82cb-36e13b188d6c"

// Lines come in the order of their own times, whatever function they are of; what is of another
// order, of another stack or no line of a function's is left out.
func TestAbout(t *testing.T) {
	line := func(at, message string) string {
		return `{"timestamp":"2026-05-01T12:00:0` + at + `Z","message":"` + message + `","orderId":"` + orderID + `"}`
	}
	l := Log{Stack: "shop", API: logs{
		"/aws/lambda/shop-send-mails": {
			line("3.5", "mail sent"), "START RequestId: " + orderID, `{"message":"mail sent","orderId":"another"}`,
			`{"message":"no time","orderId":"` + orderID + `"}`,
		},
		"/aws/lambda/shop-start-saga":        {line("1", "run started") + "\n", line("2", "message done")},
		"/aws/lambda/shopping-send-mails":    {line("0", "another shop")},
		"/aws/lambda/shop-accept-commands":   {line("0.25", "request")},
		"/aws/lambda/shop-redrive":           nil,
		"/aws/vendedlogs/states/shop-a-saga": {line("0", "no function")},
	}}
	got, err := l.About(t.Context(), orderID, time.Time{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	at := func(s float64) time.Time {
		return time.Date(2026, 5, 1, 12, 0, 0, int(s*1e9), time.UTC)
	}
	want := []Line{
		{time.UnixMilli(0).UTC(), "send-mails", []byte(`{"message":"no time","orderId":"` + orderID + `"}`)},
		{at(0.25), "accept-commands", []byte(line("0.25", "request"))},
		{at(1), "start-saga", []byte(line("1", "run started"))},
		{at(2), "start-saga", []byte(line("2", "message done"))},
		{at(3.5), "send-mails", []byte(line("3.5", "mail sent"))},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is asked for is the order's id as it stands, in the time that was asked for.
func TestAboutAsks(t *testing.T) {
	since, until := time.UnixMilli(1_777_000_000_000), time.UnixMilli(1_777_000_060_000)
	asked := &asking{logs: logs{"/aws/lambda/shop-send-mails": nil}}
	if _, err := (Log{Stack: "shop", API: asked}).About(t.Context(), orderID, since, until); err != nil {
		t.Fatal(err)
	}
	if in := asked.in; aws.ToString(in.FilterPattern) != `"`+orderID+`"` ||
		aws.ToInt64(in.StartTime) != since.UnixMilli() || aws.ToInt64(in.EndTime) != until.UnixMilli() {
		t.Errorf("asked for %s from %d to %d", aws.ToString(in.FilterPattern), *in.StartTime, *in.EndTime)
	}
	asked.err = errors.New("throttled")
	_, err := Log{Stack: "shop", API: asked}.About(t.Context(), orderID, since, until)
	if !errors.Is(err, asked.err) || !strings.Contains(err.Error(), "shop-send-mails") {
		t.Errorf("error %v", err)
	}
}

type asking struct {
	logs
	in  cloudwatchlogs.FilterLogEventsInput
	err error
}

func (a *asking) FilterLogEvents(
	ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput, options ...func(*cloudwatchlogs.Options),
) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	if a.in = *in; a.err != nil {
		return nil, a.err
	}
	return a.logs.FilterLogEvents(ctx, in, options...)
}
