// serve-console serves the operators' console: pages over the HTTP API. Its role lets it do nothing
// but log; all else it asks of the API, with the token of the operator who looks at a page.
package main

import (
	"os"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/inbound/console"
	"orderflow/shared/kit/clock"
)

func main() {
	awsenv.Start(console.Lambda(console.New(console.Console{
		API: console.NewAPI(awsenv.APIURL("API_URL")),
		SignIn: console.SignIn{
			Hosted: os.Getenv("SIGN_IN_URL"), Issuer: os.Getenv("SIGN_IN_ISSUER"),
			Client: os.Getenv("SIGN_IN_CLIENT"), Scopes: os.Getenv("SIGN_IN_SCOPES"),
			Audience: os.Getenv("SIGN_IN_AUDIENCE"),
		},
		Clock: clock.System{}, Log: awsenv.Logger(),
	})))
}
