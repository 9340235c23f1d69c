package awsenv_test

import (
	"testing"

	"orderflow/shared/aws/awsenv"
)

// The API is where the variable says, and below the endpoint of what stands in for AWS.
func TestAPIURL(t *testing.T) {
	const onAWS = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com"
	for endpoint, want := range map[string]string{
		"": onAWS, "http://127.0.0.1:4599": "http://127.0.0.1:4599/_aws/execute-api/a1b2c3/$default",
		"http://127.0.0.1:4599/": "http://127.0.0.1:4599/_aws/execute-api/a1b2c3/$default",
	} {
		t.Setenv("AWS_ENDPOINT_URL", endpoint)
		t.Setenv("API_URL", onAWS)
		if got := awsenv.APIURL("API_URL"); got != want {
			t.Errorf("with the endpoint %q: %s, want %s", endpoint, got, want)
		}
	}
	for _, odd := range []string{"", "a1b2c3", "https://"} {
		t.Setenv("API_URL", odd)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q passes for an address", odd)
				}
			}()
			awsenv.APIURL("API_URL")
		}()
	}
}
