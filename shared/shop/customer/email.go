package customer

// EmailPattern is the form of an e-mail address, for the API's document: a dot-atom, @, and a
// domain with a dot (RFC 5322, 3.4.1). It is what Validate takes, up to MaxEmail characters: of
// addresses that need quotes net/mail gives the text without them, which is then another one.
const EmailPattern = "^" + atom + `(\.` + atom + ")*@" + atom + `(\.` + atom + ")+$"

const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
