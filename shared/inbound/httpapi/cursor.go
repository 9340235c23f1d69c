package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"orderflow/shared/read/view/orders"
)

func newCursor(c any) (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("httpapi: encode cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// parseCursor reads what newCursor has made, and nothing else.
func parseCursor(text string, into any) error {
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the cursor")
	}
	return nil
}

// badCursor is the one fault for a cursor that no page has given, whatever it lists.
func badCursor() error {
	return orders.ErrInvalidCursor.Field("query.cursor", "malformed cursor; send the next value of the previous page")
}
