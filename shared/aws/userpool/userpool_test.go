package userpool

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

type fake struct {
	asked []string
	err   error
}

func (f *fake) AdminDeleteUser(
	_ context.Context, in *cognitoidentityprovider.AdminDeleteUserInput, _ ...func(*cognitoidentityprovider.Options),
) (*cognitoidentityprovider.AdminDeleteUserOutput, error) {
	f.asked = append(f.asked, aws.ToString(in.UserPoolId)+" "+aws.ToString(in.Username))
	return nil, f.err
}

func TestDelete(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		pool      string
		err, want error
		asked     int
	}{
		"deleted":        {"pool-1", nil, nil, 1},
		"gone before":    {"pool-1", &types.UserNotFoundException{}, nil, 1},
		"throttled":      {"pool-1", broken, broken, 1},
		"nobody's users": {None, broken, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{err: tc.err}
			if err := New(f, tc.pool).Delete(t.Context(), "ada"); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if len(f.asked) != tc.asked || tc.asked == 1 && f.asked[0] != "pool-1 ada" {
				t.Errorf("asked for %q", f.asked)
			}
		})
	}
}
