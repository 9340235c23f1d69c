package contract

import (
	"orderflow/shared/account"
	"orderflow/shared/es"
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

func accountTypes() []entry {
	of := func(name, subject, description string) Type {
		return Type{Name: name, Version: 1, Context: "account", Subject: subject, Description: description}
	}
	return []entry{
		publish(of("account.opened", "account/{accountId}", "A customer has an account in a currency."), func(_ es.Recorded, e account.Opened) AccountOpened {
			return AccountOpened{AccountID: e.AccountID, CustomerID: e.CustomerID, Currency: e.Currency}
		}),
		publish(of("account.deposited", "account/{accountId}", "Money came into an account."), func(r es.Recorded, e account.Deposited) AccountDeposited {
			return AccountDeposited{AccountID: r.Stream.ID(), Amount: amount(e.Amount), Reference: e.Reference}
		}),
		publish(of("account.withdrawn", "account/{accountId}", "Money went out of an account."), func(r es.Recorded, e account.Withdrawn) AccountWithdrawn {
			return AccountWithdrawn{AccountID: r.Stream.ID(), Amount: amount(e.Amount), Reference: e.Reference}
		}),
		publish(of("opening.processed", "opening/{openingId}", "A request to open an account was carried out."),
			func(_ es.Recorded, e account.OpeningProcessed) OpeningProcessed {
				return OpeningProcessed{OpeningID: e.OpeningID, AccountID: e.AccountID, CustomerID: e.CustomerID, Currency: e.Currency}
			}),
		publish(of("deposit.processed", "deposit/{depositId}", "A deposit was carried out."), func(_ es.Recorded, e account.DepositProcessed) DepositProcessed {
			return DepositProcessed{DepositID: e.DepositID, AccountID: e.AccountID, Amount: amount(e.Amount)}
		}),
		publish(of("withdrawal.processed", "withdrawal/{withdrawalId}", "A withdrawal was carried out."),
			func(_ es.Recorded, e account.WithdrawalProcessed) WithdrawalProcessed {
				return WithdrawalProcessed{WithdrawalID: e.WithdrawalID, AccountID: e.AccountID, Amount: amount(e.Amount)}
			}),
	}
}
