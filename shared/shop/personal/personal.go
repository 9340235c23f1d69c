// Package personal keeps personal data unreadable wherever it is stored or sent: sealed under a
// data key of the person's own, from the first event on. Destroying that key erases the person from
// streams that can't be rewritten, from the bus, the views and every backup at once.
package personal

import (
	"context"
	"errors"
	"time"
)

// Sealed is personal data as ciphertext: a scheme, a colon, and base64 of nonce and AES-256-GCM
// ciphertext, as in "pd1:…". "" is no data.
type Sealed string

var (
	// ErrErased says that the person's key is destroyed or was never made: the data can't be read
	// by anybody any more.
	ErrErased = errors.New("personal: the key is destroyed")
	// ErrUnreadable says that sealed data does not open under the person's key: it was changed,
	// cut, or sealed for another field or person.
	ErrUnreadable = errors.New("personal: the sealed data does not open")
)

// Remembered is for how long a Vault may use a key that it has read without looking whether it is
// still there. Whoever promises that nothing can be read any more waits for that long after the
// key was destroyed.
const Remembered = 3 * time.Second

// Vault seals and opens personal data. It may do so for the time Remembered after the key was
// destroyed. subject is the person's pseudonym (a customer id); field
// says what the data is, as in "order.address", and binds the ciphertext to its place: sealed data
// moved to another field or person does not open.
type Vault interface {
	// Enrol makes the subject's data key if there is none. Two at once end with one key. It is
	// ErrErased where the key was destroyed: the pseudonym still names that person's past, so
	// nobody else may have it.
	Enrol(ctx context.Context, subject string) error
	// Seal encrypts. It is ErrErased where the subject has no key.
	Seal(ctx context.Context, subject, field string, plain []byte) (Sealed, error)
	// Open decrypts. It is ErrErased where the subject has no key, and ErrUnreadable where sealed
	// is not what was sealed for subject and field.
	Open(ctx context.Context, subject, field string, sealed Sealed) ([]byte, error)
	// Fingerprint gives what may be stored in the place of text that follows from personal data, to
	// tell later whether it comes again: one text of a subject has one fingerprint, and without the
	// subject's key nobody can confirm a guess at the text. It is ErrErased where the subject has
	// no key.
	Fingerprint(ctx context.Context, subject, text string) (string, error)
}

// Opener opens what is sealed of one person.
type Opener interface {
	// Open decrypts what was sealed for the field. Its errors are those of Vault.Open.
	Open(ctx context.Context, field string, sealed Sealed) ([]byte, error)
}

// Eraser destroys data keys. It is apart from Vault, since hardly anybody who reads and writes
// personal data may do it.
type Eraser interface {
	// Erase destroys the subject's data key for good. From the answer on Enrol makes no other for
	// the subject, and once the time Remembered has passed nobody can read what was sealed under
	// it, in any process. Erasing again, or somebody without a key, is no error.
	Erase(ctx context.Context, subject string) error
}
