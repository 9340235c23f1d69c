#!/usr/bin/env bash
# go-money makes 114 cents of 1.15: it multiplies the float and cuts off what is behind the point.
#
# Version: github.com/Rhymond/go-money v1.0.15.
# Guess before the run: NewFromFloat rounds to the nearest minor unit, so that two decimals always
# survive.
# Seen: 573 of the 10,000 amounts from 0.00 to 99.99 lose a cent, 1.15 among them.
# Matters to: an import from a file or a form. Parse the decimal text, never the float.
. "$(dirname "$0")/lib.sh"
go_module github.com/Rhymond/go-money@v1.0.15 <<'GO'
package main

import (
	"fmt"
	"strconv"

	"github.com/Rhymond/go-money"
)

func main() {
	lost := 0
	for cents := int64(0); cents < 10_000; cents++ {
		f, err := strconv.ParseFloat(fmt.Sprintf("%d.%02d", cents/100, cents%100), 64)
		if err != nil {
			panic(err)
		}
		if money.NewFromFloat(f, "USD").Amount() != cents {
			lost++
		}
	}
	fmt.Println(money.NewFromFloat(1.15, "USD").Amount(), lost)
}
GO
expect 'cents of 1.15, and how many of 10,000 amounts lose one' '114 573' "$(in_go)"
