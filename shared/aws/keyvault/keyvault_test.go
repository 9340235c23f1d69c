package keyvault

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"orderflow/shared/shop/personal"
)

// fakeTable is the table in memory, as far as the vault uses one.
type fakeTable struct {
	mu        sync.Mutex
	rows      map[string]map[string]types.AttributeValue
	calls     []string
	beforePut func()
	failWith  error
	at        moment // of all processes
}

// pass lets time pass, in all processes.
func (f *fakeTable) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = moment{running: f.at.running + d, shown: f.at.shown.Add(d)}
}

func (f *fakeTable) now() moment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

func (f *fakeTable) call(name string) error {
	f.calls = append(f.calls, name)
	return f.failWith
}

func (f *fakeTable) GetItem(
	_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("GetItem"); err != nil {
		return nil, err
	}
	if !aws.ToBool(in.ConsistentRead) {
		return nil, errors.New("the read is not consistent")
	}
	return &dynamodb.GetItemOutput{Item: f.rows[subjectOf(in.Key)]}, nil
}

func (f *fakeTable) PutItem(
	_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	if before := f.beforePut; before != nil {
		f.beforePut = nil
		before()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("PutItem"); err != nil {
		return nil, err
	}
	if aws.ToString(in.ConditionExpression) != "attribute_not_exists(#subject)" ||
		in.ExpressionAttributeNames["#subject"] != "subject" {
		return nil, errors.New("the put has no condition")
	}
	subject := subjectOf(in.Item)
	if old, there := f.rows[subject]; there {
		return nil, fmt.Errorf("wrapped: %w", &types.ConditionalCheckFailedException{Item: old})
	}
	f.rows[subject] = in.Item
	return &dynamodb.PutItemOutput{}, nil
}

func (f *fakeTable) UpdateItem(
	_ context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("UpdateItem"); err != nil {
		return nil, err
	}
	f.rows[subjectOf(in.Key)] = map[string]types.AttributeValue{
		"subject": in.Key["subject"], "erasedAt": in.ExpressionAttributeValues[":now"],
	}
	return &dynamodb.UpdateItemOutput{}, nil
}

func subjectOf(item map[string]types.AttributeValue) string {
	return item["subject"].(*types.AttributeValueMemberS).Value
}

// fakeKMS wraps by keeping: a wrapped key is the JSON of its context and a number.
type fakeKMS struct {
	mu       sync.Mutex
	keys     map[string][]byte
	decrypts int
	size     int

	beforeDecrypt func()
	failWith      error
}

func (f *fakeKMS) GenerateDataKey(
	_ context.Context, in *kms.GenerateDataKeyInput, _ ...func(*kms.Options),
) (*kms.GenerateDataKeyOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failWith != nil {
		return nil, f.failWith
	}
	if aws.ToString(in.KeyId) != "key-1" || in.KeySpec != kmstypes.DataKeySpecAes256 {
		return nil, fmt.Errorf("asked for %s under %s", in.KeySpec, aws.ToString(in.KeyId))
	}
	plain := make([]byte, f.size)
	_, _ = rand.Read(plain)
	wrapped, err := json.Marshal(map[string]any{"context": in.EncryptionContext, "n": len(f.keys)})
	f.keys[string(wrapped)] = plain
	return &kms.GenerateDataKeyOutput{Plaintext: bytes.Clone(plain), CiphertextBlob: wrapped}, err
}

func (f *fakeKMS) Decrypt(
	_ context.Context, in *kms.DecryptInput, _ ...func(*kms.Options),
) (*kms.DecryptOutput, error) {
	if before := f.beforeDecrypt; before != nil {
		f.beforeDecrypt = nil
		before()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decrypts++
	if f.failWith != nil {
		return nil, f.failWith
	}
	var wrapped struct{ Context map[string]string }
	plain, known := f.keys[string(in.CiphertextBlob)]
	if err := json.Unmarshal(in.CiphertextBlob, &wrapped); err != nil || !known ||
		wrapped.Context["subject"] != in.EncryptionContext["subject"] {
		return nil, &kmstypes.InvalidCiphertextException{}
	}
	return &kms.DecryptOutput{Plaintext: bytes.Clone(plain)}, nil
}

func newFake() (*Vault, *fakeTable, *fakeKMS) {
	table := &fakeTable{
		rows: map[string]map[string]types.AttributeValue{}, at: moment{shown: time.Unix(1_000, 0)},
	}
	keys := &fakeKMS{keys: map[string][]byte{}, size: personal.KeySize}
	v := New(table, keys, "keys", "key-1")
	v.rows.now = table.now
	return v, table, keys
}

// other is another process on the same table and key.
func (v *Vault) other() *Vault {
	o := New(v.table, v.kms, v.name, v.keyID)
	o.rows.now = v.rows.now
	return o
}

func enrol(t *testing.T, v *Vault, subjects ...string) {
	t.Helper()
	for _, subject := range subjects {
		if err := v.Enrol(t.Context(), subject); err != nil {
			t.Fatal(err)
		}
	}
}

func seal(t *testing.T, v *Vault, subject, plain string) personal.Sealed {
	t.Helper()
	sealed, err := v.Seal(t.Context(), subject, "f", []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpen(t *testing.T, v *Vault, subject string, sealed personal.Sealed, want string) {
	t.Helper()
	if plain, err := v.Open(t.Context(), subject, "f", sealed); err != nil || string(plain) != want {
		t.Errorf("opened %q, %v, want %q", plain, err, want)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestSealAndOpen(t *testing.T) {
	v, table, keys := newFake()
	enrol(t, v, "c1")
	sealed := seal(t, v, "c1", "Ada")
	wantOpen(t, v, "c1", sealed, "Ada")
	if keys.decrypts != 0 {
		t.Errorf("the key was unwrapped %d times by the process that made it", keys.decrypts)
	}
	other := v.other()
	for range 3 {
		wantOpen(t, other, "c1", sealed, "Ada")
	}
	if keys.decrypts != 1 {
		t.Errorf("the key was unwrapped %d times, want once", keys.decrypts)
	}
	if n := len(table.calls); n != 3 { // enrol 2, and the other's first open
		t.Errorf("%d calls of the table: %v", n, table.calls)
	}
	if _, ok := table.rows["c1"]["createdAt"].(*types.AttributeValueMemberS); !ok {
		t.Errorf("row %v", table.rows["c1"])
	}
	for name := range table.rows["c1"] {
		if !slices.Contains([]string{"subject", "wrapped", "createdAt"}, name) {
			t.Errorf("the row has %s", name)
		}
	}
}

func TestEnrolAgain(t *testing.T) {
	v, _, keys := newFake()
	enrol(t, v, "c1")
	sealed := seal(t, v, "c1", "Ada")
	enrol(t, v, "c1")
	enrol(t, v.other(), "c1")
	wantOpen(t, v, "c1", sealed, "Ada")
	if len(keys.keys) != 1 {
		t.Errorf("%d keys were made", len(keys.keys))
	}
}

// TestEnrolAtOnce: both read no row; the one whose put comes second uses the other's key.
func TestEnrolAtOnce(t *testing.T) {
	v, table, _ := newFake()
	other := v.other()
	var first personal.Sealed
	table.beforePut = func() {
		enrol(t, other, "c1")
		first = seal(t, other, "c1", "Ada")
	}
	enrol(t, v, "c1")
	wantOpen(t, v, "c1", first, "Ada")
	wantOpen(t, other, "c1", seal(t, v, "c1", "Grace"), "Grace")
}

func TestNobody(t *testing.T) {
	v, _, _ := newFake()
	_, err := v.Seal(t.Context(), "c1", "f", nil)
	wantErr(t, err, personal.ErrErased)
	_, err = v.Open(t.Context(), "c1", "f", "pd1:")
	wantErr(t, err, personal.ErrErased)
	_, err = v.Fingerprint(t.Context(), "c1", "x")
	wantErr(t, err, personal.ErrErased)
}

// TestFingerprint: each process makes the same one, from the person's own key.
func TestFingerprint(t *testing.T) {
	v, _, _ := newFake()
	enrol(t, v, "c1", "c2")
	fingerprint := func(v *Vault, subject, text string) string {
		t.Helper()
		made, err := v.Fingerprint(t.Context(), subject, text)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	first := fingerprint(v, "c1", "x")
	if again := fingerprint(v.other(), "c1", "x"); again != first {
		t.Errorf("another process makes %s of what was %s", again, first)
	}
	if first == fingerprint(v, "c1", "y") || first == fingerprint(v, "c2", "x") {
		t.Error("another text or person has the same one")
	}
}

// A row is read once for all that a process does in a while: seals, opens and fingerprints. What
// there is not is not remembered, nor is what can't be read.
func TestRemembered(t *testing.T) {
	v, table, keys := newFake()
	enrol(t, v, "c1")
	sealed, other := seal(t, v, "c1", "Ada"), v.other()
	for _, tt := range []struct {
		after time.Duration
		reads int // in all
	}{{0, 1}, {personal.Remembered - 1, 1}, {1, 2}, {personal.Remembered - 1, 2}, {-personal.Remembered, 3}} {
		table.pass(tt.after)
		for range 3 {
			wantOpen(t, other, "c1", sealed, "Ada")
			seal(t, other, "c1", "Grace")
			if _, err := other.Fingerprint(t.Context(), "c1", "x"); err != nil {
				t.Error(err)
			}
		}
		if reads := len(table.calls) - 2; reads != tt.reads { // without the enrolment's
			t.Errorf("after %s more: %d reads, want %d", tt.after, reads, tt.reads)
		}
	}
	if keys.decrypts != 1 {
		t.Errorf("the key was unwrapped %d times", keys.decrypts)
	}
	_, err := other.Seal(t.Context(), "c2", "f", nil)
	wantErr(t, err, personal.ErrErased)
	enrol(t, v, "c2")
	seal(t, other, "c2", "Grace")
	table.pass(personal.Remembered)
	table.failWith = errors.New("broken")
	_, err = other.Seal(t.Context(), "c2", "f", nil)
	wantErr(t, err, table.failWith)
}

// A row is good while both clocks say so: one of them may have stood still, or been set back.
func TestBothClocks(t *testing.T) {
	begun := moment{running: time.Hour, shown: time.Unix(1_000, 0)}
	for _, tt := range []struct {
		running, shown time.Duration
		fresh          bool
	}{
		{0, 0, true},
		{personal.Remembered - 1, personal.Remembered - 1, true},
		{personal.Remembered, 1, false},
		{1, personal.Remembered, false},
		{1, -1, false},
		{-1, 1, false},
	} {
		at := moment{running: begun.running + tt.running, shown: begun.shown.Add(tt.shown)}
		if got := (row{begun: begun}).fresh(at); got != tt.fresh {
			t.Errorf("after %s and %s: %t", tt.running, tt.shown, got)
		}
	}
	first, second := now(), now()
	if second.running < first.running || time.Until(second.shown) > time.Minute {
		t.Errorf("the time is %v, and then %v", first, second)
	}
}

// A process remembers so many rows and no more.
func TestRows(t *testing.T) {
	at := moment{shown: time.Unix(1_000, 0)}
	r := newRows(2)
	r.now = func() moment { return at }
	has := func(subjects ...string) {
		t.Helper()
		for _, s := range []string{"a", "b", "c", "d"} {
			if _, ok := r.get(s); ok != slices.Contains(subjects, s) {
				t.Errorf("has %s: %t", s, ok)
			}
		}
		if len(r.bySubject) > 2 {
			t.Errorf("holds %d", len(r.bySubject))
		}
	}
	r.put("a", nil, at)
	at.running, at.shown = personal.Remembered-1, at.shown.Add(personal.Remembered-1)
	r.put("b", nil, at)
	r.put("b", nil, at)
	has("a", "b")
	at.running, at.shown = at.running+1, at.shown.Add(1)
	r.put("c", nil, at) // what is no longer good goes
	has("b", "c")
	r.put("d", nil, at) // all is good
	has("d")
}

// A read that an erasure comes in between shows what was there before, and is good from when it
// began, not from when it ended.
func TestReadAtTheErasure(t *testing.T) {
	v, table, keys := newFake()
	enrol(t, v, "c1")
	sealed, other := seal(t, v, "c1", "Ada"), v.other()
	keys.beforeDecrypt = func() {
		if err := v.Erase(t.Context(), "c1"); err != nil {
			t.Error(err)
		}
		table.pass(personal.Remembered)
	}
	wantOpen(t, other, "c1", sealed, "Ada") // it was under way
	_, err := other.Open(t.Context(), "c1", "f", sealed)
	wantErr(t, err, personal.ErrErased)
}

// TestErase takes effect in a process that holds the unwrapped key as soon as it has to read the
// row again, and at once in any other. Nobody enrols again.
func TestErase(t *testing.T) {
	v, table, _ := newFake()
	enrol(t, v, "c1", "c2")
	sealed, kept := seal(t, v, "c1", "Ada"), seal(t, v, "c2", "Grace")
	for range 2 {
		if err := v.other().Erase(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
	}
	wantErr(t, v.Enrol(t.Context(), "c1"), personal.ErrErased)
	gone := func(v *Vault) {
		t.Helper()
		_, err := v.Open(t.Context(), "c1", "f", sealed)
		wantErr(t, err, personal.ErrErased)
		_, err = v.Seal(t.Context(), "c1", "f", nil)
		wantErr(t, err, personal.ErrErased)
		_, err = v.Fingerprint(t.Context(), "c1", "x")
		wantErr(t, err, personal.ErrErased)
	}
	gone(v.other())
	table.pass(personal.Remembered - 1)
	wantOpen(t, v, "c1", sealed, "Ada")
	table.pass(1)
	gone(v)
	wantOpen(t, v, "c2", kept, "Grace")
	// An erasure that comes between an enrolment's read and its put.
	table.beforePut = func() {
		if err := v.other().Erase(t.Context(), "c3"); err != nil {
			t.Error(err)
		}
	}
	wantErr(t, v.Enrol(t.Context(), "c3"), personal.ErrErased)
	_, err := v.Seal(t.Context(), "c3", "f", nil)
	wantErr(t, err, personal.ErrErased)
}

// TestKeyInAnothersRow: neither KMS nor the cache gives a key out of a row that it was not made
// for.
func TestKeyInAnothersRow(t *testing.T) {
	v, table, _ := newFake()
	enrol(t, v, "c1", "c2")
	seal(t, v, "c1", "Ada")
	table.rows["c2"]["wrapped"] = table.rows["c1"]["wrapped"]
	table.pass(personal.Remembered)
	var invalid *kmstypes.InvalidCiphertextException
	if _, err := v.Seal(t.Context(), "c2", "f", nil); !errors.As(err, &invalid) {
		t.Errorf("error %v", err)
	}
}

// TestFailures: what is broken is not erased, and says whose key it was about.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	check := func(t *testing.T, err, want error) {
		t.Helper()
		wantErr(t, err, want)
		if errors.Is(err, personal.ErrErased) || err != nil && !strings.Contains(err.Error(), "c1") {
			t.Errorf("error %v", err)
		}
	}
	t.Run("table", func(t *testing.T) {
		v, table, _ := newFake()
		table.failWith = broken
		_, err := v.Seal(t.Context(), "c1", "f", nil)
		check(t, err, broken)
		check(t, v.Enrol(t.Context(), "c1"), broken)
		check(t, v.Erase(t.Context(), "c1"), broken)
	})
	t.Run("put", func(t *testing.T) {
		v, table, _ := newFake()
		table.beforePut = func() { table.failWith = broken }
		check(t, v.Enrol(t.Context(), "c1"), broken)
	})
	t.Run("KMS", func(t *testing.T) {
		v, _, keys := newFake()
		enrol(t, v, "c1")
		keys.failWith = broken
		_, err := v.other().Open(t.Context(), "c1", "f", "pd1:")
		check(t, err, broken)
		check(t, v.Enrol(t.Context(), "c1"), nil) // it is there
		wantErr(t, v.Enrol(t.Context(), "c2"), broken)
	})
	t.Run("key of another size", func(t *testing.T) {
		v, _, keys := newFake()
		enrol(t, v, "c1")
		for wrapped := range keys.keys {
			keys.keys[wrapped] = make([]byte, 16)
		}
		if _, err := v.other().Seal(t.Context(), "c1", "f", nil); err == nil {
			t.Error("it is taken")
		}
		keys.size = 16
		if err := v.Enrol(t.Context(), "c2"); err == nil {
			t.Error("it is stored")
		}
	})
}

func TestCache(t *testing.T) {
	c := newCache(2)
	id := func(n int) [32]byte { return cacheID("c", []byte{byte(n)}) }
	key, err := personal.RandomKey()
	if err != nil {
		t.Fatal(err)
	}
	has := func(n int) bool { _, ok := c.get(id(n)); return ok }
	c.put(id(1), key)
	c.put(id(2), key)
	c.put(id(1), key) // used last
	c.put(id(3), key)
	if !has(1) || has(2) || !has(3) {
		t.Errorf("has 1: %v, 2: %v, 3: %v", has(1), has(2), has(3))
	}
	if !has(1) {
		t.Error("1 is gone")
	}
	c.put(id(4), key)
	if !has(1) || has(3) || !has(4) || c.order.Len() != 2 || len(c.byID) != 2 {
		t.Errorf("has 1: %v, 3: %v, 4: %v of %d", has(1), has(3), has(4), c.order.Len())
	}
	if cacheID("c1", []byte("2x")) == cacheID("c12", []byte("x")) {
		t.Error("two places have one id")
	}
}

func TestAtOnce(t *testing.T) {
	v, _, _ := newFake()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			subject := fmt.Sprint("c", i%5)
			enrol(t, v, subject)
			wantOpen(t, v.other(), subject, seal(t, v, subject, "Ada"), "Ada")
		})
	}
	wg.Wait()
}
