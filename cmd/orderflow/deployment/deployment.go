// Package deployment finds a deployed stack's parts and gets tokens for its API.
package deployment

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go/logging"

	"orderflow/shared/kit/awsclient"
)

// Deployment is a stack, in an account or on an emulator.
type Deployment struct {
	Stack      string
	ID         string // of this stack alone; a later one of the same name has another
	Status     string // CloudFormation's
	Protected  bool   // from being deleted
	Outputs    map[string]string
	Parameters map[string]string // as they were given, or their defaults
	config     aws.Config
}

// LocalStack is the stack that make run deploys.
const LocalStack = "orderflow-local"

// Find reads the stack's outputs with the environment's credentials. AWS_ENDPOINT_URL names an
// emulator.
func Find(ctx context.Context, stack string) (*Deployment, error) {
	// What the clients log goes to standard error, between the lines of a program that shows its
	// progress; what matters comes back as an error.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	cfg.APIOptions = append(cfg.APIOptions, awsclient.PlainBodies)
	out, err := cloudformation.NewFromConfig(cfg).DescribeStacks(
		ctx, &cloudformation.DescribeStacksInput{StackName: &stack},
	)
	if err != nil {
		return nil, fmt.Errorf("find stack %s %s: %w%s", stack, at(cfg), err, hint(cfg, stack))
	}
	if len(out.Stacks) == 0 {
		return nil, fmt.Errorf("unknown stack %s %s%s", stack, at(cfg), hint(cfg, stack))
	}
	found := out.Stacks[0]
	d := &Deployment{
		Stack: stack, ID: aws.ToString(found.StackId), Status: string(found.StackStatus),
		Protected: aws.ToBool(found.EnableTerminationProtection),
		Outputs:   map[string]string{}, Parameters: map[string]string{}, config: cfg,
	}
	for _, o := range found.Outputs {
		d.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, p := range found.Parameters {
		d.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	return d, nil
}

func at(cfg aws.Config) string {
	switch {
	case cfg.BaseEndpoint != nil:
		return "at " + *cfg.BaseEndpoint
	case cfg.Region == "":
		return "without a region"
	}
	return "in " + cfg.Region
}

// hint is for users of the local stack who have not set its endpoint.
func hint(cfg aws.Config, stack string) string {
	elsewhere := cfg.BaseEndpoint == nil && cfg.Region != "" && stack != LocalStack
	if elsewhere || cfg.BaseEndpoint != nil && !loopback(*cfg.BaseEndpoint) {
		return ""
	}
	return "\nFor the local stack, run make run and paste the export lines that it prints at the end."
}

// Config is the configuration that found the stack, for clients of further services.
func (d *Deployment) Config() aws.Config { return d.config }

// APIURL is the address of the HTTP API. An emulator has another one than the stack's output.
func (d *Deployment) APIURL() (string, error) {
	if d.config.BaseEndpoint == nil {
		return d.Output("ApiUrl")
	}
	id, err := d.Output("ApiId")
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(*d.config.BaseEndpoint, "/") + "/_aws/execute-api/" + id + "/$default", nil
}

// Output is a required output of the stack.
func (d *Deployment) Output(name string) (string, error) {
	v, ok := d.Outputs[name]
	if !ok {
		return "", fmt.Errorf("stack %s has no output %s", d.Stack, name)
	}
	return v, nil
}

// OperatorToken gets a token with the operator's scope from the stack's own user pool.
func (d *Deployment) OperatorToken(ctx context.Context) (string, error) {
	return d.scopedToken(ctx, "OperatorClientId", "orderflow/operator")
}

// CarrierToken gets a token with the carrier's scope from the stack's own user pool.
func (d *Deployment) CarrierToken(ctx context.Context) (string, error) {
	return d.scopedToken(ctx, "CarrierClientId", "orderflow/carrier")
}

// PricingToken gets a token with a pricing system's scope from the stack's own user pool.
func (d *Deployment) PricingToken(ctx context.Context) (string, error) {
	return d.scopedToken(ctx, "PricingClientId", "orderflow/pricing")
}

// scopedToken gets a token by the credentials of the client that an output names (RFC 6749, 4.4).
func (d *Deployment) scopedToken(ctx context.Context, output, scope string) (string, error) {
	pool, client, err := d.poolClient(output)
	if err != nil {
		return "", err
	}
	described, err := cognitoidentityprovider.NewFromConfig(d.config).DescribeUserPoolClient(ctx,
		&cognitoidentityprovider.DescribeUserPoolClientInput{
			UserPoolId: &pool, ClientId: &client,
		})
	if err != nil {
		return "", fmt.Errorf("read the client of %s: %w", output, err)
	}
	endpoint, err := d.tokenURL()
	if err != nil {
		return "", err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, aws.ToString(described.UserPoolClient.ClientSecret))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("read the token endpoint's answer (%s): %w", res.Status, err)
	}
	if answer.AccessToken == "" {
		return "", fmt.Errorf("the token endpoint rejects the request: %s %s", res.Status, answer.Error)
	}
	return answer.AccessToken, nil
}

func (d *Deployment) tokenURL() (string, error) {
	if d.config.BaseEndpoint != nil {
		return strings.TrimSuffix(*d.config.BaseEndpoint, "/") + "/oauth2/token", nil
	}
	domain, err := d.Output("UserPoolDomain")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("https://%s.auth.%s.amazoncognito.com/oauth2/token", domain, d.config.Region), nil
}

// ErrOnlyLocal says that a customer's token is available on a local emulator only: elsewhere
// issuing one would reset the customer's password.
var ErrOnlyLocal = errors.New(
	"a customer's token is available for a stack on this machine only; elsewhere customers sign in themselves",
)

// CustomerToken signs in the customer whose user name is the given id, and creates the user if
// necessary. For a local emulator only.
func (d *Deployment) CustomerToken(ctx context.Context, customerID string) (string, error) {
	if !d.local() {
		return "", ErrOnlyLocal
	}
	pool, client, err := d.poolClient("CustomerClientId")
	if err != nil {
		return "", err
	}
	users := cognitoidentityprovider.NewFromConfig(d.config)
	_, err = users.AdminCreateUser(ctx, &cognitoidentityprovider.AdminCreateUserInput{
		UserPoolId: &pool, Username: &customerID, MessageAction: types.MessageActionTypeSuppress,
	})
	var exists *types.UsernameExistsException
	if err != nil && !errors.As(err, &exists) {
		return "", fmt.Errorf("create user %s: %w", customerID, err)
	}
	password := "Aa1!" + rand.Text() // the pool wants one of each kind
	if _, err := users.AdminSetUserPassword(ctx, &cognitoidentityprovider.AdminSetUserPasswordInput{
		UserPoolId: &pool, Username: &customerID, Password: &password, Permanent: true,
	}); err != nil {
		return "", fmt.Errorf("set password of %s: %w", customerID, err)
	}
	out, err := users.AdminInitiateAuth(ctx, &cognitoidentityprovider.AdminInitiateAuthInput{
		UserPoolId: &pool, ClientId: &client, AuthFlow: types.AuthFlowTypeAdminUserPasswordAuth,
		AuthParameters: map[string]string{"USERNAME": customerID, "PASSWORD": password},
	})
	if err != nil {
		return "", fmt.Errorf("sign in %s: %w", customerID, err)
	}
	if out.AuthenticationResult == nil {
		return "", fmt.Errorf("sign in %s: the pool asks for %s", customerID, out.ChallengeName)
	}
	return aws.ToString(out.AuthenticationResult.AccessToken), nil
}

func (d *Deployment) poolClient(output string) (pool, client string, err error) {
	if pool, err = d.Output("UserPoolId"); err != nil {
		return "", "", fmt.Errorf("the stack trusts an external issuer; get tokens there: %w", err)
	}
	client, err = d.Output(output)
	return pool, client, err
}

// Emulated reports whether the stack is on an emulator, and not in an account.
func (d *Deployment) Emulated() bool { return d.config.BaseEndpoint != nil }

// local reports whether the endpoint is on this machine's loopback.
func (d *Deployment) local() bool { return d.Emulated() && loopback(*d.config.BaseEndpoint) }

func loopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
