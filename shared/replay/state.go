package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
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

// validName is what EventBridge takes for the name of a replay (StartReplay, ReplayName), so that replays of both ways are marked alike.
var validName = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)

// CheckName says why a replay can't have a name. A name is the name of a file too.
func CheckName(name string) error {
	if !validName.MatchString(name) || name[0] == '.' {
		return fmt.Errorf("replay: %q is no name: 1 to 64 letters, digits, -, _ and ., no . ahead", name)
	}
	return nil
}

// Name is a name that follows from the arguments, so that who asks for the same again goes on.
func (a Arguments) Name() string {
	text, err := json.Marshal(a)
	if err != nil {
		panic("replay: strings and numbers always encode: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return a.Consumer[:min(len(a.Consumer), 50)] + "-" + hex.EncodeToString(sum[:4])
}

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

// Segment is how far a part of the source was replayed.
type Segment struct {
	Next string `json:"next"` // the position to go on from
	Done bool   `json:"done"`
}

// State is how far a replay has come.
type State struct {
	Version   int       `json:"version"`
	Name      string    `json:"name"`
	Arguments Arguments `json:"arguments"`
	From      time.Time `json:"from"` // what the arguments meant when the replay began
	To        time.Time `json:"to"`
	Began     time.Time `json:"began"`
	Segments  []Segment `json:"segments"`
	Counts    Counts    `json:"counts"`
	Failures  []Failure `json:"failures,omitempty"` // the first of them
}

// Begin makes the State of a replay that begins.
func Begin(name string, a Arguments, now time.Time) (State, error) {
	s := State{Version: stateVersion, Name: name, Arguments: a, To: now, Began: now, Segments: make([]Segment, a.Segments)}
	var err error
	if a.From != "" {
		if s.From, err = moment(a.From, now); err != nil {
			return State{}, fmt.Errorf("replay: from %w", err)
		}
	}
	if a.To != "" {
		if s.To, err = moment(a.To, now); err != nil {
			return State{}, fmt.Errorf("replay: to %w", err)
		}
	}
	return s, s.Selection().Validate()
}

// Selection is what the replay is of.
func (s State) Selection() Selection {
	return Selection{Types: s.Arguments.Types, From: s.From, To: s.To}
}

// moment reads a time as RFC 3339 writes it, or a duration before now, as in 24h.
func moment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, fmt.Errorf("is a time as in 2026-11-01T00:00:00Z, or how long ago as in 24h, not %q", text)
	}
	return now.Add(-d), nil
}

// Journal keeps a State.
type Journal interface {
	Save(State) error
}

// File is a Journal in a file. What it holds is always a State that was saved as a whole, whenever the program or the machine stops. Two runs of one replay
// at a time overwrite each other's States; each is true of the run that saved it, so that nothing is lost by that either.
type File struct{ Path string }

// Load reads the State of a replay that is to go on, found being false where there is none. A replay of that name with other arguments is an error.
func (f File) Load(name string, a Arguments) (s State, found bool, err error) {
	text, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, false, nil
	}
	if err != nil {
		return State{}, false, fmt.Errorf("replay: read the state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil || s.Version != stateVersion || s.Name != name || len(s.Segments) != s.Arguments.Segments {
		return State{}, false, fmt.Errorf("replay: %s is no state of %s; remove it to begin anew", f.Path, name)
	}
	if field := a.differs(s.Arguments); field != "" {
		return State{}, false, fmt.Errorf("replay: %s was begun with another --%s; give what it was begun with, another --name, or remove %s", name, field, f.Path)
	}
	return s, true, nil
}

// Save implements Journal.
func (f File) Save(s State) error {
	if err := f.save(s); err != nil {
		return fmt.Errorf("replay: keep the state: %w", err)
	}
	return nil
}

func (f File) save(s State) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	next, err := os.CreateTemp(dir, filepath.Base(f.Path)+".*")
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err == nil {
		err = next.Sync()
	}
	if closeErr := next.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(next.Name(), f.Path)
	}
	if err != nil {
		_ = os.Remove(next.Name()) // the first error is the one that counts
	}
	return err
}

// Remove forgets a replay that is done: the same arguments begin a new one.
func (f File) Remove() error {
	if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replay: forget the state: %w", err)
	}
	return nil
}
