// Package es is an event-sourcing kit: streams of events that only grow, deciders that say what happens next, and a store that lets one writer win.
//
// A command loads a stream, folds it to a state, decides, and appends the new events as one commit. The append is
// conditional: it succeeds only if nobody else has appended since. That single condition is what keeps every rule true under concurrency.
//
// # How the parts fit
//
// Events are plain structs with JSON tags, passed and read back as values: a [Registry] knows each by its exact type, so a pointer to one is a
// stranger to it. The Registry gives a type the name and the schema version that it is stored under, and brings what was stored under an older version
// up to the present one. It is built once, at the program's start, by the functions of the packages that own the events, and is handed to the store.
//
// A [Decider] is the rules of an aggregate, as pure functions of its commands C, its state S and its events E. Where there are several types of
// event, E is an interface that they alone implement, by a method that does nothing, and Evolve is a type switch over them.
//
// A [Handler] runs the commands of one aggregate on a [Store]. Beside each command comes a [Request], which says when it was taken and for whom. Its
// CommitID follows from the command, so that one that is sent again finds its own commit and is answered, not carried out again.
//
// An [Attempt] takes the Handler's place where a command changes more than its own stream, and may have to be taken back: a payment, a reservation.
// It has a stream of its own that says what became of it, and its [Plan] holds what is written together with that: commits on other streams, and each
// [Effect], a write beside the streams that must be true together with them, such as a counter that may not fall below zero.
//
// An [Envelope] is an event on its way out, to consumers that know neither this store nor these types. Its data is a published contract, which the owner
// of the event makes from a [Recorded] one; the kit says only what stands around it.
//
// # Which store
//
// Package memstore keeps streams in memory, for tests and for a first try. Package dynamostore, among the adapters, keeps them in a DynamoDB table. A
// store of another kind passes the suite in estest, and gives out each [Head] itself: everybody else has one from a store, and never makes one up.
package es
