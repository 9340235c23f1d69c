package es

import "fmt"

// Decider is the pure heart of an aggregate. C is its commands, S its state, E its events: the type
// of the only one, or an interface that all of them implement.
type Decider[C, S, E any] struct {
	Initial func() S
	// Decide says which events follow from a command in a state. Time and ids come in the command.
	// What is done already yields no events and no error. Its error is the command's refusal, and
	// reaches the caller as it is.
	Decide func(C, S) ([]E, error)
	// Evolve folds an event into the state. It makes no decision and never fails.
	Evolve func(S, E) S
}

// Fold folds the events of a history, which was loaded from the beginning, starting from the
// initial state. The errors are those of the function Fold.
func (d Decider[C, S, E]) Fold(h History) (S, error) {
	return Fold(d.Initial(), d.Evolve, h.Events)
}

// Repository gives the states of the streams of a category, without snapshots.
func (d Decider[C, S, E]) Repository(category string, store Reader) Repository[S, E] {
	return Repository[S, E]{Category: category, Initial: d.Initial, Evolve: d.Evolve, Store: store}
}

// alien is the error of an event that is none of the aggregate's.
func alien(e Recorded) error {
	return fmt.Errorf("%w: %s is a %T, not an event of this stream", ErrCorrupt, e.ID(), e.Data)
}

// Fold folds recorded events into a state. An event that is no E is an ErrCorrupt: it is another
// aggregate's, or misses a method of the interface.
func Fold[S, E any](state S, evolve func(S, E) S, events []Recorded) (S, error) {
	for i := range events {
		e, ok := events[i].Data.(E)
		if !ok {
			return state, alien(events[i])
		}
		state = evolve(state, e)
	}
	return state, nil
}
