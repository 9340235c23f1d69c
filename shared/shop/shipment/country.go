package shipment

import (
	_ "embed" // the table of countries
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
)

//go:generate go test . -run TestCountriesAreThoseOfTheLibrary -update

// countries has a line a country: its code, the fields that its addresses need besides recipient
// and line1 (C the city, S the state, Z the postal code), and the pattern of its postal codes. It
// is text, and read when it is asked, since every function that knows orders has it and one alone
// validates addresses (docs/decisions/0069).
//
//go:embed countries.tsv
var countries string

// country is what addresses of a country need.
type country struct {
	code                                   string
	needsCity, needsState, needsPostalCode bool
	postalCode                             string // the pattern, "" for a country without postal codes
}

// countryOf finds a country. What is no country's code is not known.
func countryOf(code string) (c country, known bool) {
	if !validCountry(code) {
		return country{}, false
	}
	_, line, known := strings.Cut(countries, "\n"+code+"\t")
	if !known {
		return country{}, false
	}
	line, _, _ = strings.Cut(line, "\n")
	needs, pattern, _ := strings.Cut(line, "\t")
	return country{
		code: code, postalCode: pattern, needsCity: strings.Contains(needs, "C"),
		needsState: strings.Contains(needs, "S"), needsPostalCode: strings.Contains(needs, "Z"),
	}, true
}

// signs are those that people write before a postal code, as in L-1009, where it is not the code of
// the country.
var signs = map[string]string{"AT": "A", "DE": "D", "LI": "FL", "LU": "L"}

// takes reports whether a postal code can be one of the country's, however people write it: in
// small letters or capitals, with spaces and hyphens or without, in digits of any script, behind
// the country's sign. A country without postal codes takes all of them, since clients give it
// placeholders like 00000.
func (c country) takes(postalCode string) bool {
	written := compact(postalCode)
	if written == "" || c.postalCode == "" {
		return true
	}
	pattern, err := syntax.Parse(c.postalCode, syntax.Perl)
	if err != nil { // a test compiles them all
		return false
	}
	form, err := regexp.Compile(`^(?:` + withoutSeparators(pattern).String() + `)$`)
	if err != nil {
		return false
	}
	if form.MatchString(written) {
		return true
	}
	for _, sign := range []string{c.code, signs[c.code]} {
		if rest, ok := strings.CutPrefix(written, sign); ok && form.MatchString(rest) {
			return true
		}
	}
	return false
}

// compact is a postal code in capitals, in ASCII where it can be, and without what only separates.
func compact(postalCode string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case isSeparator(r):
			return -1
		case unicode.Is(unicode.Nd, r):
			return '0' + digit(r)
		case '\uff21' <= r && r <= '\uff5a': // fullwidth letters, as Japanese keyboards write them
			r -= '\uff21' - 'A'
		}
		return unicode.ToUpper(r)
	}, postalCode)
}

// isSeparator reports whether people write r between the parts of a postal code: white space,
// hyphens and dashes, and what comes in their place of the keys of the minus and of the Japanese
// long vowel.
func isSeparator(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '\u2212' || r == '\u30fc'
}

// digit is the value of a decimal digit of any script. Unicode has the ten of a script in a row,
// from zero on.
func digit(r rune) rune {
	for _, row := range unicode.Nd.R16 {
		if rune(row.Lo) <= r && r <= rune(row.Hi) {
			return (r - rune(row.Lo)) % 10
		}
	}
	for _, row := range unicode.Nd.R32 {
		lo, hi := rune(row.Lo), rune(row.Hi) //nolint:gosec // a code point is at most 0x10ffff
		if lo <= r && r <= hi {
			return (r - lo) % 10
		}
	}
	return 0
}

// withoutSeparators is a pattern without the spaces and hyphens in it, whether it asks for them or
// only lets them be.
func withoutSeparators(re *syntax.Regexp) *syntax.Regexp {
	switch re.Op {
	case syntax.OpLiteral:
		var kept []rune
		for _, r := range re.Rune {
			if !isSeparator(r) {
				kept = append(kept, r)
			}
		}
		if len(kept) == 0 {
			return &syntax.Regexp{Op: syntax.OpEmptyMatch}
		}
		re.Rune = kept
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			if re.Rune[i] != re.Rune[i+1] || !isSeparator(re.Rune[i]) {
				return re
			}
		}
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	default:
		for i, sub := range re.Sub {
			re.Sub[i] = withoutSeparators(sub)
		}
	}
	return re
}

// Countries lists the codes of the countries that there are, in their order.
func Countries() []string {
	var codes []string
	for line := range strings.Lines(countries) {
		if code, _, _ := strings.Cut(line, "\t"); validCountry(code) {
			codes = append(codes, code)
		}
	}
	return codes
}
