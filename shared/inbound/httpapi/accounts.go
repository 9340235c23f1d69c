package httpapi

import (
	"cmp"
	"context"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

type openAccountBody struct {
	CustomerID string       `json:"customerId,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"The customer who owns the account. Required for operators; customers may omit it."`
	Currency   currencyCode `json:"currency" doc:"A customer has at most one account per currency." example:"USD"`
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
	ChangedAt  string      `json:"changedAt,omitempty" format:"date-time" doc:"Only with asOf: when the account reached the state shown"`
}

type accountOutput struct {
	ETag string `header:"ETag" doc:"The version. Absent with asOf, because it would name a past state."`
	Body accountAnswer
}

type accountOpened struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     accountAnswer
}

type accountInput struct {
	Past
	ID string `path:"id" format:"uuid" doc:"The account's id"`
}

type findAccountInput struct {
	CustomerID string `query:"customerId" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"The customer who owns the account. Required for operators; customers may omit it."`
	Currency   string `query:"currency" required:"true" pattern:"^[A-Z]{3}$" doc:"The account's currency, which may have been withdrawn since" example:"USD"`
}

// sum is an amount that moves. Its upper limit keeps every number of the API exact in programs that
// know floats only.
type sum struct {
	Amount   int64  `json:"amount" minimum:"1" maximum:"1000000000000" doc:"Minor units, for example cents for USD and yen for JPY" example:"5000"`
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" doc:"The account's currency, which may have been withdrawn since" example:"USD"`
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
	Balance   money.Money `json:"balance" doc:"The account's balance right after the movement"`
}

type movementOutput struct{ Body movementAnswer }

type transferBody struct {
	ToAccountID string `json:"toAccountId" format:"uuid" doc:"The account that receives the money"`
	Amount      sum    `json:"amount"`
}

type transferInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The id of the account that sends the money"`
	Body transferBody
}

type transferAnswer struct {
	ID            string      `json:"id"`
	FromAccountID string      `json:"fromAccountId"`
	ToAccountID   string      `json:"toAccountId"`
	Amount        money.Money `json:"amount"`
	Balance       money.Money `json:"balance" doc:"The sending account's balance right after the transfer"`
}

type transferOutput struct{ Body transferAnswer }

// interestBody has a rate in whole numbers, as money is. Its upper limit is account.MaxRate.
type interestBody struct {
	RateBasisPoints int64 `json:"rateBasisPoints" minimum:"1" maximum:"10000" doc:"Hundredths of a percent of the balance: 500 means 5 %" example:"500"`
}

type interestInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The account's id"`
	Body interestBody
}

type interestAnswer struct {
	ID              string      `json:"id"`
	AccountID       string      `json:"accountId"`
	RateBasisPoints int64       `json:"rateBasisPoints"`
	Amount          money.Money `json:"amount" doc:"The interest added"`
	Balance         money.Money `json:"balance" doc:"The account's balance right after the interest"`
}

type interestOutput struct{ Body interestAnswer }

func (c Commands) openAccount(ctx context.Context, id identity, in *openAccountInput) (*accountOpened, error) {
	customerID, err := id.actsFor(in.Body.CustomerID)
	if err != nil {
		return nil, err
	}
	in.Body.CustomerID = customerID
	req, err := in.request(ctx, id, c.Clock.Now(), "open-account", "", in.Body)
	if err != nil {
		return nil, err
	}
	res, err := c.Accounts.Open(ctx, req, customerID, string(in.Body.Currency))
	if err != nil {
		return nil, err
	}
	a := answerAccount(res.State, res.Head.Version())
	return &accountOpened{Location: "/accounts/" + a.ID, ETag: etag(a.Version), Body: a}, nil
}

func (c Commands) deposit(ctx context.Context, id identity, in *movementInput) (*movementOutput, error) {
	return c.move(ctx, id, in, "deposit", c.Accounts.Deposit)
}

func (c Commands) withdraw(ctx context.Context, id identity, in *movementInput) (*movementOutput, error) {
	return c.move(ctx, id, in, "withdraw", c.accounts(id).Withdraw)
}

// accounts is the service for the caller.
func (c Commands) accounts(id identity) account.Service {
	if id.isOperator() {
		return c.Accounts.ByOperator()
	}
	return c.Accounts.ByCustomer(id.customer)
}

func (c Commands) move(ctx context.Context, id identity, in *movementInput, operation string,
	carryOut func(
		ctx context.Context, req es.Request, accountID, key string, amount money.Money,
	) (account.Movement, error),
) (*movementOutput, error) {
	req, err := in.request(ctx, id, c.Clock.Now(), operation, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	m, err := carryOut(ctx, req, in.ID, in.Key, money.Money(in.Body.Amount))
	if err != nil {
		return nil, err
	}
	return &movementOutput{
		Body: movementAnswer{ID: m.ID, AccountID: m.AccountID, Amount: m.Amount, Balance: m.Balance},
	}, nil
}

func (c Commands) transfer(ctx context.Context, id identity, in *transferInput) (*transferOutput, error) {
	req, err := in.request(ctx, id, c.Clock.Now(), "transfer", in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	done, err := c.accounts(id).Transfer(ctx, req, in.ID, in.Body.ToAccountID, in.Key, money.Money(in.Body.Amount))
	if err != nil {
		return nil, err
	}
	return &transferOutput{Body: transferAnswer{
		ID: done.TransferID, FromAccountID: done.FromAccountID, ToAccountID: done.ToAccountID, Amount: done.Amount,
		Balance: done.Balance,
	}}, nil
}

func (c Commands) applyInterest(ctx context.Context, id identity, in *interestInput) (*interestOutput, error) {
	req, err := in.request(ctx, id, c.Clock.Now(), "apply-interest", in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	done, err := c.Accounts.ApplyInterest(ctx, req, in.ID, in.Key, in.Body.RateBasisPoints)
	if err != nil {
		return nil, err
	}
	return &interestOutput{Body: interestAnswer{
		ID: done.InterestID, AccountID: done.AccountID, RateBasisPoints: done.RateBasisPoints, Amount: done.Amount,
		Balance: done.Balance,
	}}, nil
}

// getAccount lets in by the present state, whatever is asked for: who may not see it learns nothing
// of its past.
func (q Queries) getAccount(ctx context.Context, id identity, in *accountInput) (*accountOutput, error) {
	res, err := visibleAccount(ctx, q.Accounts, id, in.ID)
	if err != nil {
		return nil, err
	}
	if !in.asked() {
		a := answerAccount(res.State, res.Head.Version())
		return &accountOutput{ETag: etag(a.Version), Body: a}, nil
	}
	if err := in.within(res.Head.Version()); err != nil {
		return nil, err
	}
	past, err := q.Accounts.AsOf(ctx, in.ID, in.AsOf.point)
	if err != nil {
		return nil, in.failed(err, q.Clock.Now())
	}
	a := answerAccount(past.State, past.Version)
	a.ChangedAt = changedAt(past.Time)
	return &accountOutput{Body: a}, nil
}

// findAccount finds an account whose id nobody wrote down: that of a customer who is erased, for
// one.
func (q Queries) findAccount(ctx context.Context, id identity, in *findAccountInput) (*accountOutput, error) {
	customerID := cmp.Or(in.CustomerID, id.customer)
	if customerID == "" {
		return nil, ErrInvalid.Field("query.customerId", "expected a customer id; only customers may omit it")
	}
	res, err := visibleAccount(ctx, q.Accounts, id, account.ID(customerID, in.Currency))
	if err != nil {
		return nil, err
	}
	a := answerAccount(res.State, res.Head.Version())
	return &accountOutput{ETag: etag(a.Version), Body: a}, nil
}

// visibleAccount loads an account that the caller may see.
func visibleAccount(
	ctx context.Context, accounts account.Service, id identity, accountID string,
) (es.Result[account.State], error) {
	res, err := accounts.Get(ctx, accountID)
	if err == nil && !id.sees(res.State.CustomerID) {
		return es.Result[account.State]{}, account.ErrNotFound.New("there is no such account")
	}
	return res, err
}

func answerAccount(s account.State, version int64) accountAnswer {
	return accountAnswer{ID: s.ID, CustomerID: s.CustomerID, Balance: s.Money(), Version: version}
}
