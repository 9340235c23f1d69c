package money_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/shop/money"
)

func TestParse(t *testing.T) {
	const most = 1_000_000_000
	for text, want := range map[string]string{
		"EUR 12.99": "EUR 12.99", "EUR 12": "EUR 12.00", "EUR 0.01": "EUR 0.01", "JPY 500": "JPY 500",
		"KWD 1.500": "KWD 1.500", "EUR 0": "EUR 0.00", "EUR 0.00": "EUR 0.00", "JPY 0": "JPY 0",
		"EUR 10000000.00": "EUR 10000000.00", "EUR 10000000.01": "", "EUR 12.9": "", "EUR 12.999": "",
		"JPY 500.00": "", "JPY 5.": "", "EUR -1": "", "EUR 1e3": "", "EUR 01.00": "", "EUR 00": "", "EUR  1": "",
		"EUR": "", "": "", " ": "", "12.99": "", "12.99 EUR": "", "eur 1": "", "ZZZ 1": "", "EUR 1,00": "",
		"EUR .50": "", "EUR 1.": "", "EUR +1.00": "", "EUR 1.-1": "", "EUR 1.+1": "", "EUR -.01": "",
		"EUR 99999999999999999999": "", "EUR 1.0٣": "",
	} {
		got, err := money.Parse(text, 0, most)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	if _, err := money.Parse("EUR 0.00", 1, most); err == nil || !strings.Contains(err.Error(), "from EUR 0.01 to ") {
		t.Errorf("below the least: %v", err)
	}
}

// What String writes, Parse reads.
func TestParseReadsWhatStringWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := money.Money{
			Amount:   rapid.Int64Range(0, 1<<53).Draw(t, "amount"),
			Currency: rapid.SampledFrom(money.Currencies()).Draw(t, "currency"),
		}
		if got, err := money.Parse(want.String(), 0, 1<<53); err != nil || got != want {
			t.Errorf("%s is read as %s, %v", want, got, err)
		}
	})
}
