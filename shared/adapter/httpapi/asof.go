package httpapi

import (
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/faults"
)

// ErrNoSuchVersion: what is asked for is there, but has not come that far.
var ErrNoSuchVersion = faults.Declare(faults.NotFound, "request.no-such-version")

const asOfRule = "expected a version, a whole number from 1, or a time with its zone (RFC 3339; a + in a query is written %2B)"

// Past is the part of a query's input that names a moment of the past. It is exported because huma passes over unexported embedded fields.
type Past struct {
	AsOf string `query:"asOf" doc:"Shows what was so then: a version, a whole number from 1, or a time with its zone (RFC 3339). A time to come shows the present." example:"2026-03-01T12:00:00Z"`

	point es.Point // zero for the present
}

// Resolve implements huma.Resolver. An empty asOf is refused: who sends one meant some moment, and would take the present for it.
func (p *Past) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	given := u.Query()["asOf"]
	if len(given) == 0 {
		return nil
	}
	point, ok := parsePoint(given[0])
	if !ok || len(given) > 1 {
		return []error{&huma.ErrorDetail{Location: "query.asOf", Message: asOfRule}}
	}
	p.point = point
	return nil
}

func parsePoint(text string) (es.Point, bool) {
	if version, err := strconv.ParseUint(text, 10, 63); err == nil {
		return es.Point{Version: int64(version)}, version > 0
	}
	at, err := clock.ParseTime(text)
	if err != nil {
		return es.Point{}, false
	}
	if at.IsZero() {
		at = at.Add(1) // the zero Point is the present, and nothing of ours is as old as either
	}
	return es.Point{Time: at}, true
}

// asked reports whether the past is asked for at all.
func (p *Past) asked() bool { return p.point != es.Point{} }

// within refuses a version beyond the present one. It is for those who may see the thing.
func (p *Past) within(version int64) error {
	if p.point.Version > version {
		return ErrNoSuchVersion.Field("query.asOf", "there is no version %d: the newest is %d", p.point.Version, version)
	}
	return nil
}

// changedAt is a moment as answers tell it.
func changedAt(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
