// Package es is an event-sourcing kit: streams of events that only grow, deciders that say what
// happens next, and a store that lets one writer win.
//
// A command loads a stream, folds it to a state, decides, and appends the new events as one commit.
// The append is conditional: it succeeds only if nobody else has appended since. That single
// condition is what keeps every rule true under concurrency.
//
// The example of the package is a whole program: a jar of coins, its two events and its rules,
// commands on it, one that is sent again, and the replay.
//
// # How the parts fit
//
// Events are plain structs with JSON tags, passed and read back as values: a [Registry] knows each
// by its exact type, so a pointer to one is a stranger to it. The Registry gives a type the name
// and the schema version that it is stored under, and brings what was stored under an older version
// up to the present one. It is built once, at the program's start, by the functions of the packages
// that own the events, and is handed to the store. What is stored is never changed: a new schema
// version comes in two releases, see there.
//
// A [Decider] is the rules of an aggregate, as pure functions of its commands C, its state S and
// its events E. Where there are several types of event, E is an interface that they alone
// implement, by a method that does nothing, and Evolve is a type switch over them.
//
// A [Handler] runs the commands of one aggregate on a [Store]. Beside each command comes a
// [Request], which says when it was taken and for whom. Its CommitID follows from the command, so
// that one that is sent again finds its own commit and is answered, not carried out again. Where a
// client chooses both the key and the target, a [Claim] keeps the key to one target.
//
// An [Attempt] takes the Handler's place where a command changes more than its own stream, and may
// have to be taken back: a payment, a reservation. It has a stream of its own that says what became
// of it, and its [Plan] holds what is written together with that: commits on other streams, and
// each [Effect], a write beside the streams that must be true together with them, such as a counter
// that may not fall below zero.
//
// A [Repository] gives the state of a stream without a command: the present one, and that as of a
// [Point], a version or a time of the past. With [Snapshots] it reads a long stream in two reads,
// however long it is, once something that follows the store's commits hands them to its Handle,
// away from the requests. A snapshot is a shortcut and never the truth: lost, corrupt or of another
// fold, it costs a replay.
//
// A [Store] is read in three further ways. Read gives a [Range] of a stream, from either end, event
// by event and only as far as the caller goes on. Since gives what came after a Head that was met
// before, and says where the stream has no such commit. A [Scanner] goes through all that there is,
// in parts that can be taken up again, for rebuilds, audits and replays.
//
// An [Envelope] is an event on its way out, to consumers that know neither this store nor these
// types. Its data is a published contract, which the owner of the event makes from a [Recorded]
// one; the kit says only what stands around it.
//
// # What went wrong
//
// [ErrConflict] says that somebody else was faster: decide again, as Handler and Attempt do by
// themselves. [ErrUnavailable] leaves open whether the commits were written, and so does every
// error that is none of these: the same commits, tried again, meet themselves. [ErrKeyReused] and
// [ErrLimit] are final, and nothing was written. [ErrCorrupt] is a stream that nobody can read,
// [UnknownTypeError] one that a newer program can. The refusal of a Decider comes as it is.
//
// # Which store
//
// Package memstore keeps streams in memory, for tests and for a first try. Package dynamostore,
// among the adapters, keeps them in a DynamoDB table. A store of another kind passes the suite in
// estest, and gives out each [Head] itself: everybody else has one from a store, and never makes
// one up. docs/kit.md says how to take the kit into a product of your own.
package es
