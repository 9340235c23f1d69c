package customer

import (
	"context"
	"fmt"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/personal"
)

// Reader reads a stream together with the data key of the person that it is of.
type Reader interface {
	// LoadWithKey loads a whole stream, consistently, and gives what opens the sealed data of the
	// subject. Both are read after it was called: no key is used that was destroyed before.
	LoadWithKey(ctx context.Context, stream es.StreamID, subject string) (es.History, personal.Opener, error)
}

// Contacts knows how customers are written to. All fields are required.
type Contacts struct {
	Reader Reader
}

// Contact is how a customer is written to, in the clear.
type Contact struct {
	Name    string
	Email   string
	Address int64 // State.Address
}

// Contact is the name and the address of mail of a customer, as they are now. ErrNotFound where
// nobody was registered by that id, personal.ErrErased where they are erased: where their stream
// says so or their key is destroyed, whichever is first. ErrMailSuppressed where no mail goes to
// their address.
func (c Contacts) Contact(ctx context.Context, customerID string) (Contact, error) {
	history, key, err := c.Reader.LoadWithKey(ctx, es.NewStreamID(Category, customerID), customerID)
	if err != nil {
		return Contact{}, fmt.Errorf("customer %s: %w", customerID, err)
	}
	state, err := es.Fold(Decider.Initial(), Evolve, history.Events)
	switch {
	case err != nil:
		return Contact{}, fmt.Errorf("customer %s: %w", customerID, err)
	case !state.Exists():
		return Contact{}, ErrNotFound.New("there is no such customer")
	case state.Erased():
		return Contact{}, personal.ErrErased
	case state.Suppressed != "":
		return Contact{}, fmt.Errorf("customer %s: %w: %s", customerID, ErrMailSuppressed, state.Suppressed)
	}
	name, email, err := opened(customerID, state, func(field string, sealed personal.Sealed) ([]byte, error) {
		return key.Open(ctx, field, sealed)
	})
	if err != nil {
		return Contact{}, err
	}
	return Contact{Name: name, Email: email, Address: state.Address}, nil
}

// opened decrypts name and address.
func opened(
	customerID string, s State, open func(field string, sealed personal.Sealed) ([]byte, error),
) (name, email string, err error) {
	plainName, err := open(NameField, s.Name)
	if err != nil {
		return "", "", fmt.Errorf("customer %s: open name: %w", customerID, err)
	}
	plainEmail, err := open(EmailField, s.Email)
	if err != nil {
		return "", "", fmt.Errorf("customer %s: open e-mail: %w", customerID, err)
	}
	return string(plainName), string(plainEmail), nil
}
