package personal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// KeySize is the length of a data key in bytes: AES-256.
const KeySize = 32

// scheme names how Sealed is made, so that a later way can be told from this one.
const scheme = "pd1:"

// fingerprints names the subkey of fingerprints. It must never change: those that are stored are
// compared with new ones.
const fingerprints = scheme + "fingerprint"

// Key is one person's data key. It holds no printable copy of itself, and is safe for concurrent
// use.
//
// The nonce of each sealing is random, which is safe for 2³² of them under one key; a person has
// some for each order.
type Key struct {
	aead cipher.AEAD
	mac  func(text string) []byte // a function, since that prints nothing of what it holds
}

// NewKey makes a key of KeySize bytes.
func NewKey(secret []byte) (Key, error) {
	if len(secret) != KeySize {
		return Key{}, fmt.Errorf("personal: a data key has %d bytes, not %d", KeySize, len(secret))
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return Key{}, fmt.Errorf("personal: data key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return Key{}, fmt.Errorf("personal: data key: %w", err)
	}
	subkey, err := hkdf.Key(sha256.New, secret, nil, fingerprints, sha256.Size)
	if err != nil {
		return Key{}, fmt.Errorf("personal: data key: %w", err)
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, subkey)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	return Key{aead: aead, mac: mac}, nil
}

// RandomKey makes a key that nobody has.
func RandomKey() (Key, error) {
	secret := make([]byte, KeySize)
	_, _ = rand.Read(secret) // never fails: it ends the program where there is no randomness
	return NewKey(secret)
}

// Seal encrypts plain for the field of a subject. Two sealings of one text differ.
func (k Key) Seal(subject, field string, plain []byte) Sealed {
	return Sealed(scheme + base64.StdEncoding.EncodeToString(k.aead.Seal(nil, nil, plain, place(subject, field))))
}

// Open decrypts what Seal made for the same field and subject. All else is ErrUnreadable.
func (k Key) Open(subject, field string, sealed Sealed) ([]byte, error) {
	text, ok := strings.CutPrefix(string(sealed), scheme)
	if !ok {
		return nil, fmt.Errorf("%w: %s of %s is under no scheme that is known", ErrUnreadable, field, subject)
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s of %s is no base64", ErrUnreadable, field, subject)
	}
	plain, err := k.aead.Open(nil, nil, data, place(subject, field))
	if err != nil {
		return nil, fmt.Errorf("%w: %s of %s", ErrUnreadable, field, subject)
	}
	return plain, nil
}

// Fingerprint is the HMAC-SHA-256 of a text, in hexadecimal, under a subkey of its own. One text
// has one fingerprint.
func (k Key) Fingerprint(text string) string { return hex.EncodeToString(k.mac(text)) }

// place is what a ciphertext is bound to, as additional data. The subject's length stands before
// it, so that no two places share one encoding.
func place(subject, field string) []byte {
	data := binary.AppendUvarint([]byte(scheme), uint64(len(subject)))
	return append(append(data, subject...), field...)
}
