package personal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/shop/personal"
)

func key(t testing.TB) personal.Key {
	t.Helper()
	k, err := personal.RandomKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRoundTrip(t *testing.T) {
	k := key(t)
	rapid.Check(t, func(t *rapid.T) {
		subject, field := rapid.String().Draw(t, "subject"), rapid.String().Draw(t, "field")
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed := k.Seal(subject, field, plain)
		if !strings.HasPrefix(string(sealed), "pd1:") {
			t.Fatalf("no scheme: %s", sealed)
		}
		if again := k.Seal(subject, field, plain); again == sealed {
			t.Fatal("two sealings are equal")
		}
		got, err := k.Open(subject, field, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opened %q, %v", got, err)
		}
	})
}

// TestPlace: sealed data opens in its own place only, also where the two names joined up are the
// same.
func TestPlace(t *testing.T) {
	k := key(t)
	rapid.Check(t, func(t *rapid.T) {
		joined := rapid.StringN(1, 300, -1).Draw(t, "joined")
		cut := func(label string) (string, string) {
			n := rapid.IntRange(0, len(joined)).Draw(t, label)
			return joined[:n], joined[n:]
		}
		subject, field := cut("first")
		otherSubject, otherField := cut("second")
		_, err := k.Open(otherSubject, otherField, k.Seal(subject, field, []byte("Ada")))
		if same := subject == otherSubject; same != (err == nil) || !same && !errors.Is(err, personal.ErrUnreadable) {
			t.Fatalf("%q %q opened at %q %q: %v", subject, field, otherSubject, otherField, err)
		}
	})
}

func TestUnreadable(t *testing.T) {
	k := key(t)
	good := string(k.Seal("c1", "customer.name", []byte("Ada Lovelace")))
	text := strings.TrimPrefix(good, "pd1:")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(i int) string {
		d := bytes.Clone(data)
		d[i] ^= 1
		return "pd1:" + base64.StdEncoding.EncodeToString(d)
	}
	tests := map[string]string{
		"nothing":            "",
		"plain text":         "Ada Lovelace",
		"another scheme":     "pd2:" + text,
		"scheme alone":       "pd1:",
		"no base64":          "pd1:%%%",
		"cut":                "pd1:" + base64.StdEncoding.EncodeToString(data[:len(data)-1]),
		"cut to the nonce":   "pd1:" + base64.StdEncoding.EncodeToString(data[:12]),
		"changed nonce":      changed(0),
		"changed ciphertext": changed(14),
		"changed tag":        changed(len(data) - 1),
		"with a byte more, and no padding": strings.TrimRight(
			"pd1:"+base64.StdEncoding.EncodeToString(append(bytes.Clone(data), 0)), "=",
		),
	}
	for name, sealed := range tests {
		t.Run(name, func(t *testing.T) {
			if plain, err := k.Open(
				"c1", "customer.name", personal.Sealed(sealed),
			); !errors.Is(err, personal.ErrUnreadable) {
				t.Errorf("opened %q, %v", plain, err)
			}
		})
	}
	t.Run("another key", func(t *testing.T) {
		if _, err := key(t).Open(
			"c1", "customer.name", personal.Sealed(good),
		); !errors.Is(err, personal.ErrUnreadable) {
			t.Error(err)
		}
	})
}

// TestFingerprint: it tells texts and people apart, and nothing else.
func TestFingerprint(t *testing.T) {
	k, other := key(t), key(t)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		if same := a == b; same != (k.Fingerprint(a) == k.Fingerprint(b)) {
			t.Fatalf("%q has %s, %q has %s", a, k.Fingerprint(a), b, k.Fingerprint(b))
		}
		if k.Fingerprint(a) == other.Fingerprint(a) {
			t.Fatal("two people's are equal")
		}
	})
}

// TestFingerprintStays: stored ones are compared with new ones. The value was computed with another
// program, from RFC 5869 and RFC 2104.
func TestFingerprintStays(t *testing.T) {
	secret := make([]byte, personal.KeySize)
	for i := range secret {
		secret[i] = byte(i)
	}
	k, err := personal.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Fingerprint("request"); got != "4cf58024b182a234fb8c0d83bb98df412885891464eed1967028b2b127a2653d" {
		t.Errorf("fingerprint is %s", got)
	}
}

func TestKeySize(t *testing.T) {
	for _, n := range []int{0, 16, 24, 31, 33} {
		if _, err := personal.NewKey(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes is taken", n)
		}
	}
	if _, err := personal.NewKey(make([]byte, personal.KeySize)); err != nil {
		t.Error(err)
	}
}

// TestKeyPrintsNothing: a key in a log line must not be the key.
func TestKeyPrintsNothing(t *testing.T) {
	secret := bytes.Repeat([]byte{0xA7}, personal.KeySize)
	k, err := personal.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
		if text := strings.ToLower(fmt.Sprintf(format, k)); strings.Contains(text, "a7a7") ||
			strings.Contains(text, "167 167") || strings.Contains(text, "0xa7, 0xa7") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}

func TestMemory(t *testing.T) {
	ctx := t.Context()
	m := personal.NewMemory()
	var vault personal.Vault = m
	if _, err := vault.Seal(ctx, "c1", "f", []byte("x")); !errors.Is(err, personal.ErrErased) {
		t.Errorf("seal for somebody without a key: %v", err)
	}
	if _, err := vault.Open(ctx, "c1", "f", "pd1:"); !errors.Is(err, personal.ErrErased) {
		t.Errorf("open for somebody without a key: %v", err)
	}
	if _, err := vault.Fingerprint(ctx, "c1", "x"); !errors.Is(err, personal.ErrErased) {
		t.Errorf("fingerprint for somebody without a key: %v", err)
	}
	var wg sync.WaitGroup
	sealed := make([]personal.Sealed, 20)
	for i := range sealed {
		wg.Go(func() {
			if err := vault.Enrol(ctx, "c1"); err != nil {
				t.Error(err)
			}
			var err error
			if sealed[i], err = vault.Seal(ctx, "c1", "f", []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range sealed {
		if plain, err := vault.Open(ctx, "c1", "f", s); err != nil || string(plain) != "x" {
			t.Fatalf("opened %q, %v: two enrolments at once end with one key", plain, err)
		}
	}
	if err := vault.Enrol(ctx, "c2"); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(ctx, "c2", "f", sealed[0]); !errors.Is(err, personal.ErrUnreadable) {
		t.Errorf("another person's key: %v", err)
	}
	fingerprint := func(subject string) string {
		t.Helper()
		made, err := vault.Fingerprint(ctx, subject, "x")
		if err != nil {
			t.Error(err)
		}
		return made
	}
	hers, again, another := fingerprint("c1"), fingerprint("c1"), fingerprint("c2")
	if hers != again || hers == another {
		t.Errorf("fingerprints are %s, again %s, another's %s", hers, again, another)
	}
	for range 2 {
		if err := m.Erase(ctx, "c1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := vault.Open(ctx, "c1", "f", sealed[0]); !errors.Is(err, personal.ErrErased) {
		t.Errorf("open after erasure: %v", err)
	}
	if _, err := vault.Fingerprint(ctx, "c1", "x"); !errors.Is(err, personal.ErrErased) {
		t.Errorf("fingerprint after erasure: %v", err)
	}
	if err := vault.Enrol(ctx, "c1"); !errors.Is(err, personal.ErrErased) {
		t.Errorf("enrol after erasure: %v", err)
	}
	if _, err := vault.Seal(ctx, "c2", "f", nil); err != nil {
		t.Errorf("another person after the erasure: %v", err)
	}
}
