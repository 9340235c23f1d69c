#!/usr/bin/env bash
# Amount.Int64 of bojanz/currency rounds an amount with more decimals than the currency has, without
# an error.
#
# Version: github.com/bojanz/currency v1.5.1.
# Guess before the run: an error, since its doc speaks of one when the amount "can't be
# represented".
# Seen: 1.155 USD is 116 and 0.004 USD is 0; the error is for amounts beyond an int64 alone.
# Matters to: a price list with a stray third decimal. Compare the amount with Round() before taking
# minor units.
. "$(dirname "$0")/lib.sh"
go_module github.com/bojanz/currency@v1.5.1 <<'GO'
package main

import (
	"fmt"

	"github.com/bojanz/currency"
)

func main() {
	for _, text := range []string{"1.155", "0.004", "92233720368547758.08"} {
		amount, err := currency.NewAmount(text, "USD")
		if err != nil {
			panic(err)
		}
		minor, err := amount.Int64()
		fmt.Print(text, "=", minor, " refused=", err != nil, "; ")
	}
}
GO
expect 'minor units' '1.155=116 refused=false; 0.004=0 refused=false; 92233720368547758.08=0 refused=true; ' "$(in_go)"
