// Package resume lets long work go on where it was when the same command is given again: how far it
// has come is in a file, under a name that follows from what was asked for.
package resume

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
	"sync"
	"time"

	"orderflow/shared/kit/clock"
)

// validName is what EventBridge takes for the name of a replay (StartReplay, ReplayName), so that
// replays of both ways are marked alike.
var validName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)
})

// CheckName says why work can't have a name. A name is the name of a file too.
func CheckName(name string) error {
	if !validName().MatchString(name) || name[0] == '.' {
		return fmt.Errorf("%q is no name: 1 to 64 letters, digits, -, _ and ., no . ahead", name)
	}
	return nil
}

// Name is a name that begins with what the work is about and follows from its arguments, which are
// strings, numbers and the like: who asks for the same again goes on.
func Name(about string, arguments any) string {
	text, err := json.Marshal(arguments)
	if err != nil {
		panic("resume: strings and numbers always encode: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return about[:min(len(about), 50)] + "-" + hex.EncodeToString(sum[:4])
}

// Moment reads a time as RFC 3339 writes it, or a duration before now, as in 24h.
func Moment(text string, now time.Time) (time.Time, error) {
	if t, err := clock.ParseTime(text); err == nil {
		return t, nil
	}
	d, err := clock.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("is a time as in 2026-11-01T00:00:00Z, or how long ago as in 24h, not %q", text)
	}
	return now.Add(-d), nil
}

// Segment is how far a part of what is read has come.
type Segment struct {
	Next string `json:"next"` // the position to go on from
	Done bool   `json:"done"`
}

// File keeps how far work has come, an S that encoding/json writes and reads back the same. What it
// holds is always an S that was saved as a whole, whenever the program or the machine stops. Two
// runs of the same work at a time overwrite each other's; each is true of the run that saved it.
type File[S any] struct{ Path string }

// Load reads what was saved, found being false where there is nothing. What is no S, by its form or
// by what fits says of it, is an error.
func (f File[S]) Load(fits func(S) bool) (s S, found bool, err error) {
	var none S
	text, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, false, nil
	}
	if err != nil {
		return none, false, fmt.Errorf("read the state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil || !fits(s) {
		return none, false, fmt.Errorf("%s is no state of this work; remove it to begin anew", f.Path)
	}
	return s, true, nil
}

// Save puts s in the place of what was saved before.
func (f File[S]) Save(s S) error {
	if err := f.save(s); err != nil {
		return fmt.Errorf("keep the state: %w", err)
	}
	return nil
}

func (f File[S]) save(s S) error {
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

// Remove forgets work that is done: the same command begins it anew.
func (f File[S]) Remove() error {
	if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the state: %w", err)
	}
	return nil
}
