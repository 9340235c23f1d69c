package es

import (
	"context"
	"iter"
	"time"
)

// StoredCommit is a commit in the form that stores keep and that a stream of changes carries. Its
// events are still encoded: see DecodeCommit.
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
func (c StoredCommit) Head() Head { return StoreHead(c.Stream, c.First, c.Last(), c.ID) }

// EncodeCommit gives a commit's stored form, but for the store's own time. Its time is in UTC and
// without a monotonic reading, as every store gives it back. The errors are Encode's.
func (r *Registry) EncodeCommit(c Commit) (StoredCommit, error) {
	out := StoredCommit{
		Stream: c.Head.stream, First: c.Head.version + 1, ID: c.ID, Fingerprint: c.Fingerprint,
		Time: c.Time.UTC().Round(0), Metadata: c.Metadata,
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

// DecodeCommit gives the events of a stored commit whose version is above after; with 0, all. The
// errors are Decode's: one event that can't be read keeps back the others.
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

// Scanner reads all that a store holds: for rebuilds, audits and replays. The stores of this kit
// are Scanners.
type Scanner interface {
	// Scan reads one of the parts that the store is split in, segment being 0 to segments-1, from a
	// position on ("" its beginning), page by page as the caller goes on. It is consistent: each
	// commit that was appended before the call, and lies behind the position, is in one of the
	// segments. Nothing is said of order: commits of one stream may be on several pages, and in
	// several segments. Between two calls with one position segments may not change. Commits that
	// can't be read are an ErrCorrupt that comes with their page, which has the others: who goes on
	// gets the rest. Several are joined (errors.Join). After any other error, as for a segment that
	// there is not or a position of another store, there is nothing more.
	Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[ScanPage, error]
}

// ScanPage is a part of a scan.
type ScanPage struct {
	Commits []StoredCommit // may be none
	Next    string         // the position after this page, "" where it is the segment's last
}

// Parts are the errors that came with a page, as Scan joins them.
func Parts(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
