package whole

import (
	"errors"
	"fmt"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/resume"
)

// stateVersion is the version of State that this program writes and reads.
const stateVersion = 1

// Kind is what is the matter with a commit.
type Kind string

// The kinds of findings.
const (
	// the bus has not accepted it, and neither consumer has met it: nobody has heard of it
	Unmarked    Kind = "unmarked"
	Unpublished Kind = "unpublished" // the bus has not accepted it, and project-views has met it or a later one
	Unseen      Kind = "unseen"      // project-views has met neither it nor a later one: the views lack it
	Refused     Kind = "refused"     // it was tried, and can't be published
	Unreadable  Kind = "unreadable"  // it can't be read, or a note can't
)

// Finding is a commit that is not where it should be.
type Finding struct {
	Kind   Kind        `json:"kind"`
	Stream es.StreamID `json:"stream,omitempty"` // "" where only Detail says
	First  int64       `json:"first,omitempty"`  // version of its first event
	Events int         `json:"events,omitempty"`
	Time   time.Time   `json:"time,omitzero"`
	Mended bool        `json:"mended,omitempty"` // it was published now, and the views have it
	Detail string      `json:"detail,omitempty"` // why it can't be read or mended
}

// Report is what a comparison came to.
type Report struct {
	Asked time.Time `json:"asked"` // from when on
	// from when on commits can be judged: they were noted, and consumers would know what comes a
	// second time
	From        time.Time      `json:"from"`
	To          time.Time      `json:"to"`                 // of the commits that are not meant any more
	Commits     int64          `json:"commits"`            // read
	Judged      int64          `json:"judged"`             // of these, the ones between From and To
	Unjudged    int64          `json:"unjudged"`           // of these, the ones between Asked and From
	Found       map[Kind]int64 `json:"found"`              // commits, by kind
	Left        int64          `json:"left"`               // of these, the ones that are not mended
	Republished int64          `json:"republished"`        // events
	CaughtUp    int64          `json:"caughtUp"`           // streams that the views were brought up to date with
	Findings    []Finding      `json:"findings,omitempty"` // the first of them, by stream and version
}

func (r *Report) find(f Finding) {
	if r.Found == nil {
		r.Found = map[Kind]int64{}
	}
	r.Found[f.Kind]++
	if !f.Mended {
		r.Left++
	}
	r.Findings = append(r.Findings, f)
}

// add adds what a page came to.
func (r *Report) add(part Report) {
	r.Commits += part.Commits
	r.Judged += part.Judged
	r.Unjudged += part.Unjudged
	r.Left += part.Left
	r.Republished += part.Republished
	r.CaughtUp += part.CaughtUp
	for kind, n := range part.Found {
		r.Found[kind] += n
	}
	r.Findings = append(r.Findings, part.Findings[:min(len(part.Findings), MaxFindings-len(r.Findings))]...)
}

// Arguments are what a comparison was asked for. One that goes on has those with which it began.
type Arguments struct {
	Deployment string `json:"deployment"` // what tells the store and its journal from all others
	From       string `json:"from"`       // as it was given
	To         string `json:"to"`         // as it was given, "" for now
	Settle     string `json:"settle"`     // how old a commit is that can be judged
	Stream     string `json:"stream"`
	Segments   int    `json:"segments"`
	Republish  bool   `json:"republish"`
	Refused    bool   `json:"refused"`
}

// Name is a name that follows from the arguments, so that who asks for the same again goes on.
func (a Arguments) Name() string { return resume.Name("audit", a) }

// differs names the first argument that is another one, as its flag is called, or is "".
func (a Arguments) differs(b Arguments) string {
	switch {
	case a.Deployment != b.Deployment:
		return "stack"
	case a.From != b.From:
		return "from"
	case a.To != b.To:
		return "to"
	case a.Settle != b.Settle:
		return "settle"
	case a.Stream != b.Stream:
		return "stream"
	case a.Segments != b.Segments:
		return "segments"
	case a.Republish != b.Republish:
		return "republish"
	case a.Refused != b.Refused:
		return "refused"
	}
	return ""
}

// State is how far a comparison has come.
type State struct {
	Version   int              `json:"version"`
	Name      string           `json:"name"`
	Arguments Arguments        `json:"arguments"`
	Began     time.Time        `json:"began"`
	Segments  []resume.Segment `json:"segments"`
	Report
}

// ErrNotNoted says that nobody knows since when commits are noted.
var ErrNotNoted = errors.New("audit: audit-events has not run yet, so that nobody knows since when commits are noted")

// Begin makes the State of a comparison that begins. since is audit.State.Since: older commits may
// have been published without a note.
func Begin(name string, a Arguments, since, now time.Time) (State, error) {
	s := State{
		Version: stateVersion, Name: name, Arguments: a, Began: now, Segments: make([]resume.Segment, a.Segments),
		Report: Report{Found: map[Kind]int64{}},
	}
	settle, err := clock.ParseDuration(a.Settle)
	if err != nil || settle <= 0 {
		return State{}, fmt.Errorf("audit: settle is a time above 0, not %q", a.Settle)
	}
	if s.Asked, err = resume.Moment(a.From, now); err != nil {
		return State{}, fmt.Errorf("audit: from %w", err)
	}
	s.To = now.Add(-settle)
	if a.To != "" {
		to, err := resume.Moment(a.To, now)
		if err != nil {
			return State{}, fmt.Errorf("audit: to %w", err)
		}
		if to.Before(s.To) {
			s.To = to
		}
		if !s.Asked.Before(to) {
			return State{}, fmt.Errorf(
				"audit: no time lies from %s to %s", s.Asked.Format(time.RFC3339), to.Format(time.RFC3339),
			)
		}
	}
	if since.IsZero() {
		return State{}, ErrNotNoted
	}
	if s.From = audit.Horizon(since, now); s.From.Before(s.Asked) {
		s.From = s.Asked
	}
	if !s.From.Before(s.To) {
		return State{}, fmt.Errorf("audit: no commit can be judged from %s to %s: asked for is %s, they are noted "+
			"since %s, and what is older than %s is not published again",
			s.From.Format(time.RFC3339), s.To.Format(time.RFC3339), s.Asked.Format(time.RFC3339),
			since.UTC().Format(time.RFC3339), audit.MaxAge)
	}
	return s, nil
}

// Journal keeps a State.
type Journal interface {
	Save(State) error
}

// File is a Journal in a file.
type File struct{ resume.File[State] }

// Load reads the State of a comparison that is to go on, found being false where there is none. One
// of that name with other arguments is an error.
func (f File) Load(name string, a Arguments) (s State, found bool, err error) {
	s, found, err = f.File.Load(func(s State) bool {
		return s.Version == stateVersion && s.Name == name && len(s.Segments) == s.Arguments.Segments && s.Found != nil
	})
	if err != nil || !found {
		return State{}, false, err
	}
	if field := a.differs(s.Arguments); field != "" {
		return State{}, false, fmt.Errorf(
			"%s was begun with another --%s; give what it was begun with, another --name, or remove %s", name, field,
			f.Path,
		)
	}
	return s, true, nil
}
