// Package lending is a library's books and who has them: a product of another team, in a module of
// its own, that builds on the kit and on nothing else.
package lending

import (
	"errors"

	"example.com/kit/clock"
	"example.com/kit/dynamostore"
	"example.com/kit/es"
)

// Event is one of the events of a book.
type Event interface{ bookEvent() }

// Lent: somebody took the book.
type Lent struct {
	Reader string `json:"reader"`
}

// Returned: the book is back.
type Returned struct{}

func (Lent) bookEvent()     {}
func (Returned) bookEvent() {}

// Register adds the events to a registry.
func Register(r *es.Registry) {
	es.Register[Lent](r, "book.lent", 1)
	es.Register[Returned](r, "book.returned", 1)
}

// Book is who has it, "" where it is on its shelf.
type Book struct {
	Reader string `json:"reader"`
}

// ErrLent says that somebody else has the book.
var ErrLent = errors.New("lending: somebody else has the book")

// Rules decides on commands that name the reader who asks for the book, "" for its return.
var Rules = es.Decider[string, Book, Event]{
	Initial: func() Book { return Book{} },
	Decide: func(reader string, b Book) ([]Event, error) {
		switch {
		case reader == b.Reader:
			return nil, nil
		case reader == "":
			return []Event{Returned{}}, nil
		case b.Reader != "":
			return nil, ErrLent
		}
		return []Event{Lent{reader}}, nil
	},
	Evolve: func(b Book, e Event) Book {
		switch e := e.(type) {
		case Lent:
			b.Reader = e.Reader
		case Returned:
			b.Reader = ""
		}
		return b
	},
}

// Books handles commands on a store.
func Books(store es.Store) es.Handler[string, Book, Event] {
	return es.Handler[string, Book, Event]{Category: "book", Decider: Rules, Store: store, Clock: clock.System{}}
}

// API is what the team's program needs of a DynamoDB client.
type API interface {
	dynamostore.API
	dynamostore.SnapshotsAPI
}

// OnDynamoDB handles commands on a table, and gives the books from snapshots in another.
func OnDynamoDB(api API, events, snapshots string) (es.Handler[string, Book, Event], es.Repository[Book, Event]) {
	store := dynamostore.New(api, events, es.NewRegistry(Register))
	books := Rules.Repository("book", store)
	books.Snapshots, books.Fold, books.Every = dynamostore.NewSnapshots(api, snapshots), "book/1", 100
	return Books(store), books
}
