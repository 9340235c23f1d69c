// Package archtest holds the rules of the design that a compiler doesn't know, as tests: who may
// import whom, what the template, the state machine and the alarms have to have, and what must
// agree between them.
//
// A rule is a function from what was read (sources, template, state machine) to its findings, one
// line each. Each rule runs on the tree, which must give none, and on a broken example, which must
// give one: a rule that can't fail keeps nothing.
package archtest
