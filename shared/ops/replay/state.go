package replay

import (
	"fmt"
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/ops/resume"
)

// stateVersion is the version of State that this program writes and reads.
const stateVersion = 1

// Arguments are what a replay was asked for. A replay that goes on has those with which it began.
type Arguments struct {
	Deployment string   `json:"deployment"` // what tells the store and its bus from all others
	Consumer   string   `json:"consumer"`
	Types      []string `json:"types"` // sorted
	From       string   `json:"from"`  // as it was given, "" for the beginning
	To         string   `json:"to"`    // as it was given, "" for now
	Stream     string   `json:"stream"`
	Segments   int      `json:"segments"`
}

// Name is a name that follows from the arguments, so that who asks for the same again goes on.
func (a Arguments) Name() string { return resume.Name(a.Consumer, a) }

// differs names the first argument that is another one, as its flag is called, or is "".
func (a Arguments) differs(b Arguments) string {
	switch {
	case a.Deployment != b.Deployment:
		return "stack"
	case a.Consumer != b.Consumer:
		return "consumer"
	case !slices.Equal(a.Types, b.Types):
		return "type"
	case a.From != b.From:
		return "from"
	case a.To != b.To:
		return "to"
	case a.Stream != b.Stream:
		return "stream"
	case a.Segments != b.Segments:
		return "segments"
	}
	return ""
}

// State is how far a replay has come.
type State struct {
	Version   int              `json:"version"`
	Name      string           `json:"name"`
	Arguments Arguments        `json:"arguments"`
	From      time.Time        `json:"from"` // what the arguments meant when the replay began
	To        time.Time        `json:"to"`
	Began     time.Time        `json:"began"`
	Segments  []resume.Segment `json:"segments"`
	Counts    Counts           `json:"counts"`
	Failures  []Failure        `json:"failures,omitempty"` // the first of them
}

// Begin makes the State of a replay that begins.
func Begin(name string, a Arguments, now time.Time) (State, error) {
	s := State{
		Version: stateVersion, Name: name, Arguments: a, To: now, Began: now,
		Segments: make([]resume.Segment, a.Segments),
	}
	var err error
	if a.From != "" {
		if s.From, err = resume.Moment(a.From, now); err != nil {
			return State{}, fmt.Errorf("replay: from %w", err)
		}
	}
	if a.To != "" {
		if s.To, err = resume.Moment(a.To, now); err != nil {
			return State{}, fmt.Errorf("replay: to %w", err)
		}
	}
	return s, s.Selection(nil).Validate()
}

// Selection is what the replay is of. Where nobody said up to when, it is also of what is dated
// ahead of that clock: such a commit was there before the replay, and would be in none.
func (s State) Selection(now clock.Clock) Selection {
	of := Selection{Types: s.Arguments.Types, From: s.From, To: s.To}
	if s.Arguments.To == "" {
		of.Ahead = now
	}
	return of
}

// Journal keeps a State.
type Journal interface {
	Save(State) error
}

// File is a Journal in a file. Two runs of one replay at a time overwrite each other's States; each
// is true of the run that saved it, so that nothing is lost by that.
type File struct{ Path string }

func (f File) states() resume.File[State] { return resume.File[State](f) }

// Load reads the State of a replay that is to go on, found being false where there is none. A
// replay of that name with other arguments is an error.
func (f File) Load(name string, a Arguments) (s State, found bool, err error) {
	s, found, err = f.states().Load(func(s State) bool {
		return s.Version == stateVersion && s.Name == name && len(s.Segments) == s.Arguments.Segments
	})
	if err != nil || !found {
		return State{}, false, wrapped(err)
	}
	if field := a.differs(s.Arguments); field != "" {
		return State{}, false, fmt.Errorf(
			"replay: %s was begun with another --%s; give what it was begun with, another --name, or remove %s", name,
			field, f.Path,
		)
	}
	return s, true, nil
}

// Save implements Journal.
func (f File) Save(s State) error { return wrapped(f.states().Save(s)) }

// Remove forgets a replay that is done: the same arguments begin a new one.
func (f File) Remove() error { return wrapped(f.states().Remove()) }

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("replay: %w", err)
}
