package contract

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/account"
)

// AccountOpened is account.opened.
type AccountOpened struct {
	AccountID  string `json:"accountId" doc:"The account." minLength:"1"`
	CustomerID string `json:"customerId" doc:"Whose it is, as a pseudonym." minLength:"1"`
	Currency   string `json:"currency" doc:"ISO 4217 alphabetic code: all of its money is in this currency." pattern:"^[A-Z]{3}$"`
}

// AccountDeposited is account.deposited.
type AccountDeposited struct {
	AccountID string `json:"accountId" doc:"The account." minLength:"1"`
	Amount    Money  `json:"amount" doc:"What came in."`
	Reference string `json:"reference" doc:"The stream of what brought it: a deposit's, or a payment's that was refunded." minLength:"1"`
}

// AccountWithdrawn is account.withdrawn.
type AccountWithdrawn struct {
	AccountID string `json:"accountId" doc:"The account." minLength:"1"`
	Amount    Money  `json:"amount" doc:"What went out."`
	Reference string `json:"reference" doc:"The stream of what took it: a withdrawal's or a payment's." minLength:"1"`
}

// AccountTransferredOut is account.transferred-out.
type AccountTransferredOut struct {
	AccountID   string `json:"accountId" doc:"The account that sent." minLength:"1"`
	ToAccountID string `json:"toAccountId" doc:"The account that received." minLength:"1"`
	Amount      Money  `json:"amount" doc:"What went out."`
	Reference   string `json:"reference" doc:"The transfer's stream. The receiver's account.transferred-in has the same." minLength:"1"`
}

// AccountTransferredIn is account.transferred-in.
type AccountTransferredIn struct {
	AccountID     string `json:"accountId" doc:"The account that received." minLength:"1"`
	FromAccountID string `json:"fromAccountId" doc:"The account that sent." minLength:"1"`
	Amount        Money  `json:"amount" doc:"What came in."`
	Reference     string `json:"reference" doc:"The transfer's stream. The sender's account.transferred-out has the same." minLength:"1"`
}

// AccountInterestApplied is account.interest-applied.
type AccountInterestApplied struct {
	AccountID       string `json:"accountId" doc:"The account." minLength:"1"`
	RateBasisPoints int64  `json:"rateBasisPoints" doc:"The rate, in hundredths of a percent of the balance."`
	Amount          Money  `json:"amount" doc:"What came in: rounded to whole minor units, a half to the even one."`
	Reference       string `json:"reference" doc:"The stream of what applied it." minLength:"1"`
}

// OpeningProcessed is opening.processed.
type OpeningProcessed struct {
	OpeningID  string `json:"openingId" doc:"The request." minLength:"1"`
	AccountID  string `json:"accountId" doc:"The account that it opened." minLength:"1"`
	CustomerID string `json:"customerId" doc:"Whose the account is, as a pseudonym." minLength:"1"`
	Currency   string `json:"currency" doc:"The account's currency: an ISO 4217 alphabetic code." pattern:"^[A-Z]{3}$"`
}

// DepositProcessed is deposit.processed.
type DepositProcessed struct {
	DepositID string `json:"depositId" doc:"The deposit." minLength:"1"`
	AccountID string `json:"accountId" doc:"The account that it went to." minLength:"1"`
	Amount    Money  `json:"amount" doc:"What came in."`
}

// WithdrawalProcessed is withdrawal.processed.
type WithdrawalProcessed struct {
	WithdrawalID string `json:"withdrawalId" doc:"The withdrawal." minLength:"1"`
	AccountID    string `json:"accountId" doc:"The account that it came from." minLength:"1"`
	Amount       Money  `json:"amount" doc:"What went out."`
}

// TransferProcessed is transfer.processed.
type TransferProcessed struct {
	TransferID    string `json:"transferId" doc:"The transfer." minLength:"1"`
	FromAccountID string `json:"fromAccountId" doc:"The account that sent." minLength:"1"`
	ToAccountID   string `json:"toAccountId" doc:"The account that received." minLength:"1"`
	Amount        Money  `json:"amount" doc:"What was sent."`
}

// InterestProcessed is interest.processed.
type InterestProcessed struct {
	InterestID      string `json:"interestId" doc:"The request." minLength:"1"`
	AccountID       string `json:"accountId" doc:"The account that it was for." minLength:"1"`
	RateBasisPoints int64  `json:"rateBasisPoints" doc:"The rate, in hundredths of a percent of the balance."`
	Amount          Money  `json:"amount" doc:"What came in; 0 where it rounded to nothing, and then the account has no event of it."`
}

func accountTypes() []entry {
	of := func(name, subject, description string) Type {
		return Type{Name: name, Version: 1, Context: "account", Subject: subject, Description: description}
	}
	return []entry{
		publish(of("account.opened", "account/{accountId}", "A customer has an account in a currency."),
			func(_ es.Recorded, e account.Opened) AccountOpened {
				return AccountOpened{AccountID: e.AccountID, CustomerID: e.CustomerID, Currency: e.Currency}
			}),
		publish(of("account.deposited", "account/{accountId}", "Money came into an account."),
			func(r es.Recorded, e account.Deposited) AccountDeposited {
				return AccountDeposited{AccountID: r.Stream.ID(), Amount: amount(e.Amount), Reference: e.Reference}
			}),
		publish(of("account.withdrawn", "account/{accountId}", "Money went out of an account."),
			func(r es.Recorded, e account.Withdrawn) AccountWithdrawn {
				return AccountWithdrawn{AccountID: r.Stream.ID(), Amount: amount(e.Amount), Reference: e.Reference}
			}),
		publish(of("account.transferred-out", "account/{accountId}", "An account sent money to another."),
			func(r es.Recorded, e account.TransferredOut) AccountTransferredOut {
				return AccountTransferredOut{
					AccountID: r.Stream.ID(), ToAccountID: e.ToAccountID, Amount: amount(e.Amount),
					Reference: e.Reference,
				}
			}),
		publish(of("account.transferred-in", "account/{accountId}", "An account received money from another."),
			func(r es.Recorded, e account.TransferredIn) AccountTransferredIn {
				return AccountTransferredIn{
					AccountID: r.Stream.ID(), FromAccountID: e.FromAccountID, Amount: amount(e.Amount),
					Reference: e.Reference,
				}
			}),
		publish(of("account.interest-applied", "account/{accountId}", "An account's balance bore interest."),
			func(r es.Recorded, e account.InterestApplied) AccountInterestApplied {
				return AccountInterestApplied{
					AccountID: r.Stream.ID(), RateBasisPoints: e.RateBasisPoints, Amount: amount(e.Amount),
					Reference: e.Reference,
				}
			}),
		publish(of("opening.processed", "opening/{openingId}", "A request to open an account was carried out."),
			func(_ es.Recorded, e account.OpeningProcessed) OpeningProcessed {
				return OpeningProcessed{
					OpeningID: e.OpeningID, AccountID: e.AccountID, CustomerID: e.CustomerID, Currency: e.Currency,
				}
			}),
		publish(of("deposit.processed", "deposit/{depositId}", "A deposit was carried out."),
			func(_ es.Recorded, e account.DepositProcessed) DepositProcessed {
				return DepositProcessed{DepositID: e.DepositID, AccountID: e.AccountID, Amount: amount(e.Amount)}
			}),
		publish(of("withdrawal.processed", "withdrawal/{withdrawalId}", "A withdrawal was carried out."),
			func(_ es.Recorded, e account.WithdrawalProcessed) WithdrawalProcessed {
				return WithdrawalProcessed{
					WithdrawalID: e.WithdrawalID, AccountID: e.AccountID, Amount: amount(e.Amount),
				}
			}),
		publish(of("transfer.processed", "transfer/{transferId}", "A transfer between two accounts was carried out."),
			func(_ es.Recorded, e account.TransferProcessed) TransferProcessed {
				return TransferProcessed{
					TransferID: e.TransferID, FromAccountID: e.FromAccountID, ToAccountID: e.ToAccountID,
					Amount: amount(e.Amount),
				}
			}),
		publish(of("interest.processed", "interest/{interestId}", "A request to apply interest was carried out."),
			func(_ es.Recorded, e account.InterestProcessed) InterestProcessed {
				return InterestProcessed{
					InterestID: e.InterestID, AccountID: e.AccountID, RateBasisPoints: e.RateBasisPoints,
					Amount: amount(e.Amount),
				}
			}),
	}
}
