#!/usr/bin/env bash
# golang.org/x/text/currency answers how many decimals a currency is displayed with, not how many
# its minor unit has, and knows neither new codes nor that others were withdrawn.
#
# Version: golang.org/x/text v0.44.0.
# Guess before the run: "Standard" rounding is ISO 4217's minor unit, and "Cash" the display's.
# Seen: Standard gives 0 decimals for RSD (ISO: 2), IQD (3) and COP (2), as CLDR displays them; XCG,
# ZWG and VES are refused although active, DEM and HRK are taken although withdrawn.
# Matters to: whoever shows an amount of minor units: RSD 199900 minor units would read "RSD 199900"
# instead of "RSD 1999.00".
. "$(dirname "$0")/lib.sh"
go_module golang.org/x/text@v0.44.0 <<'GO'
package main

import (
	"fmt"

	"golang.org/x/text/currency"
)

func main() {
	for _, code := range []string{"RSD", "IQD", "COP", "EUR", "DEM", "HRK", "XCG", "ZWG", "VES"} {
		u, err := currency.ParseISO(code)
		if err != nil {
			fmt.Print(code, "=refused ")
			continue
		}
		digits, _ := currency.Standard.Rounding(u)
		fmt.Printf("%s=%d ", code, digits)
	}
}
GO
expect 'decimals by currency.Standard' 'RSD=0 IQD=0 COP=0 EUR=2 DEM=2 HRK=2 XCG=refused ZWG=refused VES=refused ' "$(in_go)"
