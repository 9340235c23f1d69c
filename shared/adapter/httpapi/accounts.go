package httpapi

import (
	"context"

	"orderflow/shared/account"
	"orderflow/shared/es"
	"orderflow/shared/money"
)

type openAccountBody struct {
	CustomerID string `json:"customerId,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"Whose account. Operators name it; customers may leave it out."`
	Currency   string `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217. A customer has one account a currency." example:"USD"`
}

type openAccountInput struct {
	Keyed
	Body openAccountBody
}

type accountAnswer struct {
	ID         string      `json:"id"`
	CustomerID string      `json:"customerId"`
	Balance    money.Money `json:"balance"`
	Version    int64       `json:"version"`
}

type accountOutput struct {
	ETag string `header:"ETag"`
	Body accountAnswer
}

type accountOpened struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     accountAnswer
}

type accountPath struct {
	ID string `path:"id" format:"uuid" doc:"The account's id"`
}

// sum is an amount that moves. Its upper limit keeps every number of the API exact in programs that know floats only.
type sum struct {
	Amount   int64  `json:"amount" minimum:"1" maximum:"1000000000000" doc:"Minor units: cents of a dollar, yen of a yen" example:"5000"`
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217, the account's" example:"USD"`
}

type movementBody struct {
	Amount sum `json:"amount"`
}

type movementInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The account's id"`
	Body movementBody
}

type movementAnswer struct {
	ID        string      `json:"id"`
	AccountID string      `json:"accountId"`
	Amount    money.Money `json:"amount"`
	Balance   money.Money `json:"balance" doc:"Of the account, right after the movement"`
}

type movementOutput struct{ Body movementAnswer }

func (c Commands) openAccount(ctx context.Context, id identity, in *openAccountInput) (*accountOpened, error) {
	customerID, err := id.actsFor(in.Body.CustomerID)
	if err != nil {
		return nil, err
	}
	in.Body.CustomerID = customerID
	req, err := in.request(ctx, c.Clock.Now(), "open-account", customerID, "", in.Body)
	if err != nil {
		return nil, err
	}
	res, err := c.Accounts.Open(ctx, req, customerID, in.Body.Currency)
	if err != nil {
		return nil, err
	}
	a := answerAccount(res)
	return &accountOpened{Location: "/accounts/" + a.ID, ETag: etag(a.Version), Body: a}, nil
}

func (c Commands) deposit(ctx context.Context, id identity, in *movementInput) (*movementOutput, error) {
	return c.move(ctx, id, in, "deposit", c.Accounts.Deposit)
}

func (c Commands) withdraw(ctx context.Context, id identity, in *movementInput) (*movementOutput, error) {
	return c.move(ctx, id, in, "withdraw", c.Accounts.Withdraw)
}

func (c Commands) move(ctx context.Context, id identity, in *movementInput, operation string,
	carryOut func(ctx context.Context, req es.Request, accountID, key string, amount money.Money) (account.Movement, error),
) (*movementOutput, error) {
	if _, err := visibleAccount(ctx, c.Accounts, id, in.ID); err != nil {
		return nil, err
	}
	req, err := in.request(ctx, c.Clock.Now(), operation, in.ID, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	m, err := carryOut(ctx, req, in.ID, in.Key, money.Money(in.Body.Amount))
	if err != nil {
		return nil, err
	}
	return &movementOutput{Body: movementAnswer{ID: m.ID, AccountID: m.AccountID, Amount: m.Amount, Balance: m.Balance}}, nil
}

func (q Queries) getAccount(ctx context.Context, id identity, in *accountPath) (*accountOutput, error) {
	res, err := visibleAccount(ctx, q.Accounts, id, in.ID)
	if err != nil {
		return nil, err
	}
	a := answerAccount(res)
	return &accountOutput{ETag: etag(a.Version), Body: a}, nil
}

// visibleAccount loads an account that the caller may see.
func visibleAccount(ctx context.Context, accounts account.Service, id identity, accountID string) (es.Result[account.State], error) {
	res, err := accounts.Get(ctx, accountID)
	if err == nil && !id.sees(res.State.CustomerID) {
		return es.Result[account.State]{}, account.ErrNotFound.New("there is no such account")
	}
	return res, err
}

func answerAccount(res es.Result[account.State]) accountAnswer {
	return accountAnswer{
		ID: res.State.ID, CustomerID: res.State.CustomerID, Balance: money.Money{Amount: res.State.Balance, Currency: res.State.Currency},
		Version: res.Head.Version(),
	}
}
