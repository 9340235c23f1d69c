package account

import (
	"context"
	"fmt"
	"slices"
	"time"

	"orderflow/shared/es"
	"orderflow/shared/money"
)

// Kind says what a line of a statement is about.
type Kind string

// The kinds. Those of payments are told by the stream that the event refers to.
const (
	KindDeposit     Kind = "deposit"
	KindWithdrawal  Kind = "withdrawal"
	KindPayment     Kind = "payment"
	KindRefund      Kind = "refund"
	KindTransferOut Kind = "transfer-out"
	KindTransferIn  Kind = "transfer-in"
	KindInterest    Kind = "interest"
)

// Line is a movement as a statement shows it.
type Line struct {
	Version      int64 // of its event in the account's stream; 1 is the opening, so lines start at 2
	Time         time.Time
	Kind         Kind
	Amount       money.Money // below 0 for what went out
	Balance      money.Money // right after it
	Reference    string      // the stream of the attempt that moved the money
	Counterparty string      // the other account of a transfer, else ""
}

// Statement is a page of an account's movements.
type Statement struct {
	Account State  // as it is now, whatever the page shows
	Lines   []Line // newest first
	Next    int64  // before of the next page, 0 on the last one
}

// Statement lists the movements whose version is below before, newest first, at most limit of them; before 0 begins with the newest. A page stays the
// same whatever moves later, so pages neither overlap nor leave gaps. Each costs a read of the whole stream, which the running balance is folded
// from. A limit below 1 or a before below 0 is an error of the caller's program. ErrNotFound where there is no account.
func (s Service) Statement(ctx context.Context, accountID string, before int64, limit int) (Statement, error) {
	if limit < 1 || before < 0 {
		return Statement{}, fmt.Errorf("account: no page has %d lines before version %d", limit, before)
	}
	history, err := s.deps.Store.Load(ctx, es.NewStreamID(Category, accountID), 0)
	if err != nil {
		return Statement{}, err
	}
	var out Statement
	for _, r := range history.Events {
		e, ok := r.Data.(Event)
		if !ok {
			return Statement{}, fmt.Errorf("%w: %s is a %T, not an event of an account", es.ErrCorrupt, r.ID(), r.Data)
		}
		was := out.Account.Balance
		out.Account = Evolve(out.Account, e)
		if l, moves := line(e); moves && (before == 0 || r.Version < before) {
			l.Version, l.Time, l.Balance = r.Version, r.Time, out.Account.Money()
			l.Amount = money.Money{Amount: out.Account.Balance - was, Currency: out.Account.Currency}
			out.Lines = append(out.Lines, l)
		}
	}
	if !out.Account.Exists() {
		return Statement{}, ErrNotFound.New("there is no such account")
	}
	if more := len(out.Lines) - limit; more > 0 {
		out.Lines = slices.Clone(out.Lines[more:]) // the clone lets go of the rest
		out.Next = out.Lines[0].Version
	}
	slices.Reverse(out.Lines)
	return out, nil
}

// line is what an event itself tells of its line; false where it moves nothing.
func line(e Event) (Line, bool) {
	switch e := e.(type) {
	case Deposited:
		if es.StreamID(e.Reference).Category() == DepositCategory {
			return Line{Kind: KindDeposit, Reference: e.Reference}, true
		}
		return Line{Kind: KindRefund, Reference: e.Reference}, true
	case Withdrawn:
		if es.StreamID(e.Reference).Category() == WithdrawalCategory {
			return Line{Kind: KindWithdrawal, Reference: e.Reference}, true
		}
		return Line{Kind: KindPayment, Reference: e.Reference}, true
	case TransferredOut:
		return Line{Kind: KindTransferOut, Reference: e.Reference, Counterparty: e.ToAccountID}, true
	case TransferredIn:
		return Line{Kind: KindTransferIn, Reference: e.Reference, Counterparty: e.FromAccountID}, true
	case InterestApplied:
		return Line{Kind: KindInterest, Reference: e.Reference}, true
	}
	return Line{}, false
}
