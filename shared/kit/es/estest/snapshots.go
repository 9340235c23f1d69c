package estest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
)

// RunSnapshots puts an es.Snapshots through its suite. It may hold snapshots of other tests.
func RunSnapshots(t *testing.T, s es.Snapshots) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, es.Snapshots){
		"none":                     noSnapshot,
		"the newest is kept":       newestSnapshot,
		"folds are apart":          foldsApart,
		"one of no use":            replacedSnapshot,
		"writers race for a place": snapshotRace,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func snapshot(stream es.StreamID, fold string, version int64, state string) es.Snapshot {
	return es.Snapshot{
		Head: es.StoreHead(stream, version-1, version, fmt.Sprintf("c%d", version)), Fold: fold,
		Time: Start.Add(time.Duration(version)), State: json.RawMessage(state),
	}
}

func wantSnapshot(t *testing.T, s es.Snapshots, want es.Snapshot) {
	t.Helper()
	got, found, err := s.Newest(context.Background(), want.Head.Stream(), want.Fold)
	if err != nil || !found {
		t.Fatalf("%t, %v", found, err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(es.Head{})); diff != "" || got.Time.Location() != time.UTC {
		t.Error(diff, got.Time.Location())
	}
}

func noSnapshot(t *testing.T, s es.Snapshots) {
	if got, found, err := s.Newest(t.Context(), Stream(), "f/1"); found || err != nil {
		t.Errorf("%+v, %t, %v", got, found, err)
	}
}

func newestSnapshot(t *testing.T, s es.Snapshots) {
	stream := Stream()
	var newest int64
	for _, version := range []int64{5, 3, 9, 10, 2, 10, 100, 9} {
		if err := s.Keep(
			t.Context(), snapshot(stream, "f/1", version, fmt.Sprintf(`{"text":"<ü> \u0000","n":%d}`, version)),
		); err != nil {
			t.Fatal(err)
		}
		newest = max(newest, version)
		wantSnapshot(t, s, snapshot(stream, "f/1", newest, fmt.Sprintf(`{"text":"<ü> \u0000","n":%d}`, newest)))
	}
	local := snapshot(stream, "f/1", 200, `1`)
	local.Time = local.Time.In(time.FixedZone("", 2*3600))
	if err := s.Keep(t.Context(), local); err != nil {
		t.Fatal(err)
	}
	wantSnapshot(t, s, snapshot(stream, "f/1", 200, `1`))
}

func foldsApart(t *testing.T, s es.Snapshots) {
	one, two := Stream(), Stream()
	all := []es.Snapshot{
		snapshot(one, "f/1", 5, `1`), snapshot(one, "f/2", 4, `2`), snapshot(one, "g/1", 3, `3`),
		snapshot(two, "f/1", 2, `4`),
	}
	for _, each := range all {
		if err := s.Keep(t.Context(), each); err != nil {
			t.Fatal(err)
		}
	}
	for _, each := range all {
		wantSnapshot(t, s, each)
	}
}

func replacedSnapshot(t *testing.T, s es.Snapshots) {
	beyond := snapshot(Stream(), "f/1", 50, `1`)
	right := snapshot(beyond.Head.Stream(), "f/1", 3, `2`)
	if err := s.Keep(t.Context(), beyond); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Replace(t.Context(), right); err != nil {
			t.Fatal(err)
		}
		wantSnapshot(t, s, right)
	}
}

func snapshotRace(t *testing.T, s es.Snapshots) {
	stream := Stream()
	together(8, func(i int) {
		if err := s.Keep(context.Background(), snapshot(stream, "f/1", int64(i+2), fmt.Sprint(i))); err != nil {
			t.Error(err)
		}
	})
	wantSnapshot(t, s, snapshot(stream, "f/1", 9, `7`))
}
