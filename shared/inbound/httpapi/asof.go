package httpapi

import (
	"errors"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
)

// ErrNoSuchVersion: what is asked for is there, but has not come that far.
var ErrNoSuchVersion = faults.Declare(faults.NotFound, "request.no-such-version")

const asOfRule = "expected a version, a whole number from 1 of at most 18 digits, " +
	"or a time with its zone (RFC 3339; a + in a query is written %2B)"

// Past is the part of a query's input that names a moment of the past. It is exported because huma
// passes over unexported embedded fields.
type Past struct {
	AsOf AsOf `query:"asOf" doc:"Shows a past state: a version, which is a whole number from 1, or a settled time with a time zone (RFC 3339)." example:"2026-03-01T12:00:00Z"`
}

// AsOf is a version or a time. The zero AsOf is the present.
type AsOf struct{ point es.Point }

// Schema implements huma.SchemaProvider. No stream has a version of more than 18 digits, and every
// number of 18 digits is an int64.
func (AsOf) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, AnyOf: []*huma.Schema{
		{Type: huma.TypeString, Pattern: versionPattern},
		{Type: huma.TypeString, Format: "date-time", Pattern: clock.TimePattern},
	}}
	s.PrecomputeMessages()
	return s
}

const versionPattern = `^[1-9][0-9]{0,17}$`

var pastVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(versionPattern) })

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *AsOf) UnmarshalText(text []byte) error {
	if pastVersion().Match(text) {
		version, err := strconv.ParseInt(string(text), 10, 64)
		a.point.Version = version
		return err
	}
	var at Instant
	if err := at.UnmarshalText(text); err != nil {
		return errors.New(asOfRule)
	}
	a.point.Time = at.Time
	return nil
}

// asked reports whether the past is asked for at all.
func (p *Past) asked() bool { return p.AsOf.point != es.Point{} }

// within refuses a version beyond the present one. It is for those who may see the thing.
func (p *Past) within(version int64) error {
	if p.AsOf.point.Version > version {
		return ErrNoSuchVersion.Field(
			"query.asOf", "there is no version %d: the newest is %d", p.AsOf.point.Version, version,
		)
	}
	return nil
}

// failed says of a moment that is not settled where it stands in the request, and when to ask
// again.
func (p *Past) failed(err error, now time.Time) error {
	fault, ok := faults.As(err)
	if !ok || !errors.Is(err, es.ErrNotSettled) {
		return err
	}
	fault.Field = "query.asOf"
	answer := ofFault(fault)
	if wait := p.AsOf.point.Settles().Sub(now); wait <= maxWait {
		answer = answer.retryAfter(int((wait + time.Second - 1) / time.Second))
	}
	return answer
}

// maxWait is the longest wait that a client is asked for: who asks for next year means something
// else.
const maxWait = time.Hour

// changedAt is a moment as answers tell it.
func changedAt(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
