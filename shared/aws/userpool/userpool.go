// Package userpool deletes customers' sign-ins from a Cognito user pool.
package userpool

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

// None is the id of no pool: for a stack whose customers sign in elsewhere, or under other names
// than their ids.
const None = "none"

// API is what is needed of Cognito.
type API interface {
	AdminDeleteUser(
		context.Context, *cognitoidentityprovider.AdminDeleteUserInput, ...func(*cognitoidentityprovider.Options),
	) (*cognitoidentityprovider.AdminDeleteUserOutput, error)
}

// Users are the users of a pool, whose names or subs are the customers' ids: Cognito takes either
// for a name.
type Users struct {
	api  API
	pool string
}

// New makes the users of the pool with that id, or of None.
func New(api API, pool string) Users { return Users{api: api, pool: pool} }

// Delete deletes the user with the customer's id, with all attributes. That there is none is no
// error. Tokens that were signed before stay valid until they expire, and can't be renewed.
func (u Users) Delete(ctx context.Context, customerID string) error {
	if u.pool == None {
		return nil
	}
	_, err := u.api.AdminDeleteUser(
		ctx, &cognitoidentityprovider.AdminDeleteUserInput{UserPoolId: &u.pool, Username: &customerID},
	)
	if _, gone := errors.AsType[*types.UserNotFoundException](err); gone {
		return nil
	}
	if err != nil {
		return fmt.Errorf("userpool: delete user %s: %w", customerID, err)
	}
	return nil
}
