package es

import "time"

// StoredCommit is a commit in the form that stores keep and that a stream of changes carries. Its events are still encoded: see DecodeCommit.
type StoredCommit struct {
	Stream      StreamID
	First       int64 // version of the first event, from 1
	ID          string
	Fingerprint string
	Time        time.Time // in UTC
	Metadata    Metadata
	Events      []Stored // at least one
}

// Last is the version of the last event.
func (c StoredCommit) Last() int64 { return c.First + int64(len(c.Events)) - 1 }

// Head is the end of the stream when this commit was its last.
func (c StoredCommit) Head() Head { return StoreHead(c.Stream, c.Last(), c.ID) }

// EncodeCommit gives a commit's stored form. Its time is in UTC and without a monotonic reading, as every store gives it back. The errors are Encode's.
func (r *Registry) EncodeCommit(c Commit) (StoredCommit, error) {
	out := StoredCommit{
		Stream: c.Head.stream, First: c.Head.version + 1, ID: c.ID, Fingerprint: c.Fingerprint, Time: c.Time.UTC().Round(0), Metadata: c.Metadata,
		Events: make([]Stored, 0, len(c.Events)),
	}
	for _, e := range c.Events {
		s, err := r.Encode(e)
		if err != nil {
			return StoredCommit{}, err
		}
		out.Events = append(out.Events, s)
	}
	return out, nil
}

// DecodeCommit gives the events of a stored commit whose version is above after; with 0, all. The errors are Decode's: one event that can't be read
// keeps back the others.
func (r *Registry) DecodeCommit(c StoredCommit, after int64) ([]Recorded, error) {
	out := make([]Recorded, 0, len(c.Events))
	for i, s := range c.Events {
		version := c.First + int64(i)
		if version <= after {
			continue
		}
		data, err := r.Decode(c.Stream, version, s)
		if err != nil {
			return nil, err
		}
		out = append(out, Recorded{
			Stream: c.Stream, Version: version, Type: s.Type, Schema: s.Schema, Data: data,
			CommitID: c.ID, Fingerprint: c.Fingerprint, Time: c.Time, Metadata: c.Metadata,
		})
	}
	return out, nil
}
