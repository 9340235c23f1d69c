package account

import (
	"context"
	"fmt"
	"iter"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
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
	Metadata     es.Metadata // of its event: who moved it
}

// Statement is a page of an account's movements.
type Statement struct {
	Account State  // as it is now, whatever the page shows
	Lines   []Line // newest first
	Next    int64  // before of the next page, 0 on the last one
}

// Statement lists the movements whose version is below before, newest first, at most limit of them;
// before 0 begins with the newest. A page stays the same whatever moves later, so pages neither
// overlap nor leave gaps. No balance is taken from the caller: it is the present one, less what
// moved since, or, for a page in the stream's older half, the one that was, folded from the first
// event. So the newest pages cost hardly more than their own lines, and none more than half the
// stream. A limit below 1 or a before below 0 is an error of the caller's program. ErrNotFound
// where there is no account.
func (s Service) Statement(ctx context.Context, accountID string, before int64, limit int) (Statement, error) {
	if limit < 1 || before < 0 {
		return Statement{}, fmt.Errorf("account: no page has %d lines before version %d", limit, before)
	}
	present, err := s.Get(ctx, accountID)
	if err != nil {
		return Statement{}, err
	}
	out := Statement{Account: present.State}
	last := present.Head.Version() // that may be on the page
	if before > 0 {
		last = min(last, before-1)
	}
	if last == 0 {
		return out, nil
	}
	from := es.Past[State]{State: present.State, Version: present.Head.Version()}
	if last < from.Version/2 {
		if from, err = s.AsOf(ctx, accountID, es.Point{Version: last}); err != nil {
			return Statement{}, err
		}
	}
	for l, err := range s.lines(ctx, accountID, from, last, limit+1) {
		switch {
		case err != nil:
			return Statement{}, err
		case len(out.Lines) == limit:
			out.Next = out.Lines[limit-1].Version
			return out, nil
		}
		out.Lines = append(out.Lines, l)
	}
	return out, nil
}

// lines gives the movements up to version last, newest first, going back from a state at that
// version or above. About want of them are read at once.
func (s Service) lines(
	ctx context.Context, accountID string, from es.Past[State], last int64, want int,
) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		balance := from.State.Money()
		for through := from.Version; through > 0; {
			met := through
			events := s.deps.Store.Read(ctx, es.NewStreamID(Category, accountID), es.Range{
				Through: through, Backwards: true, Limit: want + int(max(through-last, 0)),
			})
			for r, err := range events {
				e, ok := r.Data.(Event)
				if err == nil && !ok {
					err = fmt.Errorf("%w: %s is a %T, not an event of an account", es.ErrCorrupt, r.ID(), r.Data)
				}
				if err != nil {
					yield(Line{}, err)
					return
				}
				l, moves := line(e)
				l.Version, l.Time, l.Balance, l.Metadata = r.Version, r.Time, balance, r.Metadata
				l.Amount = money.Money{Amount: Evolve(State{}, e).Balance, Currency: balance.Currency}
				if moves && r.Version <= last && !yield(l, nil) {
					return
				}
				balance.Amount -= l.Amount.Amount
				through = r.Version - 1
			}
			if through == met {
				yield(
					Line{}, fmt.Errorf("%w: account %s has no event at version %d", es.ErrCorrupt, accountID, through),
				)
				return
			}
		}
	}
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
