package httpapi

import (
	"context"
	"time"

	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

type statementInput struct {
	ID     string `path:"id" format:"uuid" doc:"The account's id"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of movements per page"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next value of the previous page; opaque"`
}

type statementLineAnswer struct {
	Sequence     int64        `json:"sequence" doc:"Position of the movement in the account's stream"`
	Time         time.Time    `json:"time"`
	Kind         account.Kind `json:"kind" enum:"deposit,withdrawal,payment,refund,transfer-out,transfer-in,interest"`
	Amount       money.Money  `json:"amount" doc:"Negative for outgoing money"`
	Balance      money.Money  `json:"balance" doc:"Balance right after the movement"`
	Reference    string       `json:"reference" doc:"Cause of the movement: kind/id"`
	Counterparty string       `json:"counterparty,omitempty" doc:"The other account, for a transfer"`
	Actor        *actorAnswer `json:"actor,omitempty" doc:"Who moved the money; for operators"`
}

type statementAnswer struct {
	AccountID string                `json:"accountId"`
	Balance   money.Money           `json:"balance" doc:"Current balance"`
	Movements []statementLineAnswer `json:"movements" doc:"Newest first"`
	Next      string                `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type statementOutput struct{ Body statementAnswer }

func (q Queries) getStatement(ctx context.Context, id identity, in *statementInput) (*statementOutput, error) {
	before, err := readStatementCursor(in.Cursor, in.ID)
	if err != nil {
		return nil, err
	}
	page, err := q.Accounts.Statement(ctx, in.ID, before, in.Limit)
	if err != nil {
		return nil, err
	}
	if !id.sees(page.Account.CustomerID) {
		return nil, account.ErrNotFound.New("there is no such account")
	}
	out := &statementOutput{Body: statementAnswer{
		AccountID: page.Account.ID, Balance: page.Account.Money(),
		Movements: make([]statementLineAnswer, len(page.Lines)),
	}}
	for i, l := range page.Lines {
		out.Body.Movements[i] = statementLineAnswer{
			Sequence: l.Version, Time: l.Time.UTC(), Kind: l.Kind, Amount: l.Amount, Balance: l.Balance,
			Reference: l.Reference, Counterparty: l.Counterparty, Actor: actorFor(id, l.Metadata),
		}
	}
	if page.Next != 0 {
		if out.Body.Next, err = newCursor(statementCursor{
			Version: statementCursorVersion, AccountID: in.ID, Before: page.Next,
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// statementCursor is what a cursor says: the account that it belongs to, and the place in its
// stream. It is not signed: the account is compared with the one that the caller was let in for, so
// a forged one only moves to another place of the same statement.
type statementCursor struct {
	Version   int    `json:"v"`
	AccountID string `json:"a"`
	Before    int64  `json:"b"`
}

const statementCursorVersion = 1

// readStatementCursor gives the place that a cursor names, 0 where there is none.
func readStatementCursor(text, accountID string) (before int64, err error) {
	if text == "" {
		return 0, nil
	}
	var c statementCursor
	if err := parseCursor(text, &c); err != nil || c.Version != statementCursorVersion || c.Before < 1 {
		return 0, badCursor()
	}
	if c.AccountID != accountID {
		return 0, orders.ErrInvalidCursor.Field(
			"query.cursor", "the cursor is from another statement; send the next value of the previous page",
		)
	}
	return c.Before, nil
}
