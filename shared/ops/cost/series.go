package cost

import "math/big"

// Series are the custom metrics that are written in an hour with orders in it, each a name with its
// dimensions' values, beside those of an idle stack. AWS charges for a metric by such hours.
// docs/metrics.md has them.
type Series struct {
	Metric string
	Count  int64 // of the dimensions' values
}

// OfOrders are written in an hour in which an order comes; OfCancelled, as well, where one of them
// is cancelled: for one kind of reason, and a refused charge or a want of stock.
var (
	OfOrders = []Series{
		{"OrdersPlaced", 1}, {"OrdersConfirmed", 1}, {"SagaDurationSeconds", 1},
		{"ViewLagSeconds", 3}, // the oldest of all, and by view
		{"ViewLagEvents", 2},
		{"StreamsAudited", 1},
	}
	OfCancelled = []Series{{"OrdersCancelled", 2}, {"StockOuts", 1}}
)

// Metrics is what a month with so many orders, and so many of them cancelled, uses of custom
// metrics: at most, with each order in an hour of its own while there are such.
func Metrics(orders, cancelled *big.Rat) Usage {
	return inHours(OfOrders, orders).Plus(inHours(OfCancelled, cancelled))
}

func inHours(all []Series, written *big.Rat) Usage {
	u := Usage{}
	for _, s := range all {
		u.count(SeriesMonth, s.Count)
	}
	month := big.NewRat(hours, 1)
	if written.Cmp(month) > 0 {
		written = month
	}
	return u.Scaled(new(big.Rat).Quo(written, month))
}
