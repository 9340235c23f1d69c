package customer

import (
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/personal"
)

// Limits of what a customer gives.
const (
	MaxName  = 200 // characters
	MaxEmail = 254 // bytes: what fits the path of RFC 5321 without its angle brackets
)

// Command is one of the commands below.
type Command interface{ customerCommand() }

// Join registers a customer.
type Join struct {
	CustomerID string
	Name       personal.Sealed
	Email      personal.Sealed
}

// Change gives a customer another name or address, or both: "" for what stays. It is for what
// differs from what is stored, which only who can open both knows.
type Change struct {
	Name  personal.Sealed
	Email personal.Sealed
}

// SuppressMail has no mail go any more to one of the customer's addresses, by its number.
type SuppressMail struct {
	Address int64
	Reason  Reason
}

// Erase erases a customer.
type Erase struct {
	Now    time.Time
	Reason ErasureReason // "" for none
}

func (Join) customerCommand()         {}
func (Change) customerCommand()       {}
func (SuppressMail) customerCommand() {}
func (Erase) customerCommand()        {}

// RegisterInput is a customer in the clear, as they give it.
type RegisterInput struct {
	CustomerID string // a pseudonym that somebody chose
	Name       string // 1 to MaxName characters
	// an address alone, without a display name, in ASCII and with a domain that has a dot: what the
	// mail service takes
	Email string
}

// Validate says what of the input can't be. Its faults name the field and never its content.
func (in RegisterInput) Validate() error {
	if !ident.IsName(in.CustomerID, 64, "_-") {
		return ErrInvalid.Field(
			"body.customerId", "a customer id is 1 to 64 letters, digits, _ and -, and starts with a letter or digit",
		)
	}
	if err := validName(in.Name); err != nil {
		return err
	}
	return validEmail(in.Email)
}

// ChangeInput is what a customer wants changed, in the clear: "" for what stays.
type ChangeInput struct {
	Name  string // as in RegisterInput
	Email string // as in RegisterInput
}

// Validate says what of the input can't be, like RegisterInput's.
func (in ChangeInput) Validate() error {
	if in.Name != "" {
		if err := validName(in.Name); err != nil {
			return err
		}
	}
	if in.Email != "" {
		return validEmail(in.Email)
	}
	return nil
}

func validName(name string) error {
	blank := strings.TrimSpace(name) == ""
	if !utf8.ValidString(name) || blank || utf8.RuneCountInString(name) > MaxName || hasControl(name) {
		return ErrInvalid.Field("body.name", "a name is 1 to %d characters, without control characters", MaxName)
	}
	return nil
}

func validEmail(email string) error {
	if rule := brokenRule(email); rule != "" {
		return ErrInvalid.Field("body.email", "an e-mail address %s", rule)
	}
	return nil
}

// brokenRule says what an e-mail address is and this is not, "" where it is plausible. It is no
// more than that: only a mail that arrives proves an address.
func brokenRule(email string) string {
	if strings.ContainsFunc(email, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "is ASCII: an internationalised domain is given as xn--…"
	}
	address, err := mail.ParseAddress(email)
	if len(email) > MaxEmail || hasControl(email) || err != nil || address.Name != "" || address.Address != email {
		return fmt.Sprintf("is like name@example.com, at most %d bytes", MaxEmail)
	}
	domain := email[strings.LastIndexByte(email, '@')+1:]
	if strings.HasPrefix(domain, "[") || !strings.Contains(domain, ".") {
		return "has a domain with a dot, as name@example.com has, and no IP address"
	}
	return ""
}

// hasControl finds what would let a text break out of the line that it is written into.
func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
