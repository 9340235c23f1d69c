package invocationlog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"orderflow/shared/kit/clock"
)

// Line is a line that a function wrote.
type Line struct {
	Time     time.Time       `json:"time"`
	Function string          `json:"function"` // without the stack's name
	Text     json.RawMessage `json:"line"`     // as it was written, a JSON object
}

// About gives the lines that functions wrote from since on, before until, and that hold a word:
// an order's id. They are ordered by the time of their functions, whose clocks differ by
// milliseconds. The word has letters, digits and hyphens alone.
func (l Log) About(ctx context.Context, word string, since, until time.Time) ([]Line, error) {
	var lines []Line
	err := l.each(ctx, func(group, function string) error {
		found, err := l.about(ctx, group, function, word, since, until)
		lines = append(lines, found...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(lines, func(a, b Line) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Function, b.Function))
	})
	return lines, nil
}

func (l Log) about(
	ctx context.Context, group, function, word string, since, until time.Time,
) (lines []Line, err error) {
	// In quotes, the word is looked for as it stands, and hyphens exclude nothing.
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(l.API, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: &group, FilterPattern: aws.String(`"` + word + `"`),
		StartTime: aws.Int64(since.UnixMilli()), EndTime: aws.Int64(until.UnixMilli()),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("invocationlog: %s: %w", group, err)
		}
		for _, e := range page.Events {
			text := strings.TrimSpace(aws.ToString(e.Message))
			var written struct {
				Timestamp string `json:"timestamp"`
			}
			if json.Unmarshal([]byte(text), &written) != nil || !strings.Contains(text, word) {
				continue // Lambda's own, or a crash
			}
			at, err := clock.ParseTime(written.Timestamp)
			if err != nil {
				at = time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC()
			}
			lines = append(lines, Line{Time: at, Function: function, Text: json.RawMessage(text)})
		}
	}
	return lines, nil
}
