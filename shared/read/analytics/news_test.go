package analytics_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/analytics/analyticstest"
	"orderflow/shared/shop/order"
)

// listener notes what it is told.
func listener(told *[]string) analytics.News {
	return analytics.News{
		Count: func(metric, reason string) { *told = append(*told, strings.Trim(metric+" "+reason, " ")) },
		Took:  func(metric string, d time.Duration) { *told = append(*told, fmt.Sprint(metric, " ", d)) },
	}
}

func TestNews(t *testing.T) {
	begun := string(analyticstest.Message(t, "o1", 1, noon, placed("o1", "a")))
	done := string(analyticstest.Message(t, "o1", 3, noon.Add(4*time.Second), confirmed))
	stopped := string(analyticstest.Message(
		t, "o1", 3, noon.Add(time.Minute), order.Cancelled{Reason: "stock.insufficient"}),
	)
	replayed := strings.Replace(begun, `{`, `{"replay-name":"r",`, 1)
	for name, tc := range map[string]struct {
		batches [][]string
		want    []string
	}{
		"one by one": {
			[][]string{{begun}, {done}}, []string{"OrdersPlaced", "OrdersConfirmed", "SagaDurationSeconds 4s"},
		},
		"together, and again": {
			[][]string{{begun, done, begun}, {done}, {begun}},
			[]string{"OrdersPlaced", "OrdersConfirmed", "SagaDurationSeconds 4s"},
		},
		"confirmed first": {[][]string{{done}, {begun}}, []string{"OrdersConfirmed", "OrdersPlaced"}},
		"cancelled": {
			[][]string{{begun}, {stopped}},
			[]string{"OrdersPlaced", "OrdersCancelled", "OrdersCancelled stock", "SagaDurationSeconds 1m0s"},
		},
		"replayed": {[][]string{{replayed}, {begun}}, nil},
		"no event": {[][]string{{"oops"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var told []string
			a := analyser(&analyticstest.Memory{})
			a.News = listener(&told)
			for _, batch := range tc.batches {
				var bodies [][]byte
				for _, body := range batch {
					bodies = append(bodies, []byte(body))
				}
				a.Handle(t.Context(), bodies)
			}
			if !slices.Equal(told, tc.want) {
				t.Errorf("told %q, want %q", told, tc.want)
			}
		})
	}
}

// lost is a table that takes a write and gives no answer to it, once.
type lost struct {
	analyticstest.Memory
	answered bool
}

func (l *lost) Write(ctx context.Context, orders []analytics.Order, additions []analytics.Addition) error {
	if err := l.Memory.Write(ctx, orders, additions); err != nil || l.answered {
		return err
	}
	l.answered = true
	return es.ErrUnavailable
}

// Of a fact whose writing was not answered nobody is told: it may have been told before.
func TestNewsOfAnAnswerThatIsLost(t *testing.T) {
	var told []string
	a := analyser(&lost{})
	a.News = listener(&told)
	for _, body := range [][]byte{
		analyticstest.Message(t, "o1", 1, noon, placed("o1", "a")),
		analyticstest.Message(t, "o2", 1, noon, placed("o2", "a")),
	} {
		if err := a.Handle(t.Context(), [][]byte{body})[0]; err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{analytics.MetricPlaced}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
