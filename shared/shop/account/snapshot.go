package account

import "orderflow/shared/kit/es"

// Fold names Evolve and State in the snapshots of accounts. Whoever changes what either of them
// means gives it the next version: snapshots of the old one are not looked at any more, and each
// account is replayed once. A test holds the two against what this version has meant.
const Fold = "account/1"

// Every is after how many of an account's events a snapshot is written: see docs/decisions/0021.
const Every = 100

// States gives the states of accounts, present and past. Their movements rest on attempts, which
// recognise a repeat by streams of their own, so that the accounts may be loaded from snapshots,
// which hold no commits. Without snapshots, nil, each state is folded from the account's first
// event.
func States(store es.Store, snapshots es.Snapshots) es.Repository[State, Event] {
	states := Decider.Repository(Category, store)
	states.Snapshots, states.Fold, states.Every = snapshots, Fold, Every
	return states
}
