package personal

import (
	"context"
	"sync"
)

// Memory is a Vault and Eraser whose keys are in memory and gone with the process: for tests, and
// for trying the services out. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	keys map[string]*Key // nil where the key was destroyed
}

// NewMemory makes a vault without keys.
func NewMemory() *Memory { return &Memory{keys: map[string]*Key{}} }

// Enrol implements Vault.
func (m *Memory) Enrol(ctx context.Context, subject string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key, known := m.keys[subject]
	if known && key == nil {
		return ErrErased
	}
	if known {
		return nil
	}
	fresh, err := RandomKey()
	if err != nil {
		return err
	}
	m.keys[subject] = &fresh
	return nil
}

// Seal implements Vault.
func (m *Memory) Seal(ctx context.Context, subject, field string, plain []byte) (Sealed, error) {
	key, err := m.key(ctx, subject)
	if err != nil {
		return "", err
	}
	return key.Seal(subject, field, plain), nil
}

// Open implements Vault.
func (m *Memory) Open(ctx context.Context, subject, field string, sealed Sealed) ([]byte, error) {
	key, err := m.key(ctx, subject)
	if err != nil {
		return nil, err
	}
	return key.Open(subject, field, sealed)
}

// Fingerprint implements Vault.
func (m *Memory) Fingerprint(ctx context.Context, subject, text string) (string, error) {
	key, err := m.key(ctx, subject)
	if err != nil {
		return "", err
	}
	return key.Fingerprint(text), nil
}

// Erase implements Eraser.
func (m *Memory) Erase(ctx context.Context, subject string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys[subject] = nil
	return nil
}

func (m *Memory) key(ctx context.Context, subject string) (*Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := m.keys[subject]
	if key == nil {
		return nil, ErrErased
	}
	return key, nil
}
