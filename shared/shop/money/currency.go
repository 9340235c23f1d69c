package money

import "slices"

//go:generate go test . -run TestCurrenciesAreTheOfficialList -update

// listing is what the official list says of a code.
type listing struct {
	decimals int  // of the minor unit; 0 where there is none
	money    bool // somebody can pay with it: it is no fund, no metal, no unit of account and no test
}

// notMoney are units of account that the list doesn't mark as funds: UYW is an index for pensions,
// XAD is what central banks settle in.
var notMoney = map[string]bool{"UYW": true, "XAD": true}

// withdrawn are the currencies that are on the list no more and had no minor unit while they were.
// All others had two decimals.
var withdrawn = map[string]bool{
	"ADP": true, "BEF": true, "BYB": true, "BYR": true, "ESP": true, "GRD": true,
	"ITL": true, "LUF": true, "MGF": true, "PTE": true, "TPE": true, "TRL": true,
}

// CheckCurrency refuses what nobody may start to use: all but the codes of Currencies. It is for
// what comes in anew, an account or a price. What is stored or was published is CheckCode's: a
// currency that was withdrawn since stays readable.
func CheckCurrency(code string) error {
	if !listed[code].money {
		return ErrCurrency.New("%q is not a currency in use: expected a code of ISO 4217, as of %s", code, ListDate)
	}
	return nil
}

// CheckCode refuses what can't ever have been an ISO 4217 alphabetic code: anything but three
// capital letters.
func CheckCode(code string) error {
	ok := len(code) == 3
	for i := range len(code) {
		ok = ok && code[i] >= 'A' && code[i] <= 'Z'
	}
	if !ok {
		return ErrCurrency.New("%q is not the alphabetic code of a currency: expected three capital letters", code)
	}
	return nil
}

// Currencies lists the codes that CheckCurrency accepts, sorted: those of the official list in
// which somebody can pay.
func Currencies() []string {
	var codes []string
	for code, l := range listed {
		if l.money {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return codes
}

// Decimals is how many decimals show an amount in the currency: those of its minor unit by ISO
// 4217, also where prices are hardly ever written with them.
func Decimals(code string) int {
	if l, ok := listed[code]; ok {
		return l.decimals
	}
	if withdrawn[code] {
		return 0
	}
	return 2
}
