package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"orderflow/shared/kit/ident"
)

// letterStatuses are those that the API knows, in the order of an entry's life.
var letterStatuses = []string{"open", "redriving", "resolved", "spent", "discarded"}

type letterList struct {
	DeadLetters []letter `json:"deadLetters"`
	Next        string   `json:"next"`
}

// letter is a dead-letter entry as the API shows it: without personal data.
type letter struct {
	ID            string            `json:"id"`
	Status        string            `json:"status"`
	Consumer      string            `json:"consumer"`
	Topic         string            `json:"topic"`
	CorrelationID string            `json:"correlationId"`
	OrderID       string            `json:"orderId"`
	Kind          string            `json:"kind"`
	Error         string            `json:"error"`
	Code          string            `json:"code"`
	RetryCount    int64             `json:"retryCount"`
	FirstFailure  time.Time         `json:"firstFailure"`
	LastFailure   time.Time         `json:"lastFailure"`
	RecordedAt    time.Time         `json:"recordedAt"`
	Redrives      int64             `json:"redrives"`
	RedriveError  string            `json:"redriveError"`
	NextRedriveAt *time.Time        `json:"nextRedriveAt"`
	Held          bool              `json:"held"`
	Hint          string            `json:"hint"`
	ClosedAt      *time.Time        `json:"closedAt"`
	ClosedBy      string            `json:"closedBy"`
	Reason        string            `json:"reason"`
	Message       json.RawMessage   `json:"message"`
	Attributes    map[string]string `json:"attributes"`
	Decisions     []decision        `json:"decisions"`
}

// decision is what an operator decided about an entry.
type decision struct {
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Action   string    `json:"action"`
	Reason   string    `json:"reason"`
	TakeOver bool      `json:"takeOver"`
}

// Redrivable reports whether the API takes a redrive of it. The API decides again.
func (l letter) Redrivable() bool {
	return l.Kind != "none" && (l.Status == "open" || l.Status == "spent")
}

// Discardable reports the same of a discard.
func (l letter) Discardable() bool {
	return slices.Contains([]string{"open", "redriving", "spent"}, l.Status)
}

type lettersView struct {
	Statuses                []string
	Status, Consumer, Order string
	Filtered                bool
	Letters                 []letter
	First, Next             string // addresses of pages of the list
	Wrong                   string
}

// deadLetters is the list of dead-letter entries, newest first.
func (c Console) deadLetters(x *exchange) error {
	asked := x.URL.Query()
	v := lettersView{
		Statuses: letterStatuses, Status: asked.Get("status"), Consumer: strings.TrimSpace(asked.Get("consumer")),
		Order: strings.TrimSpace(asked.Get("order")),
	}
	query, kept := url.Values{"limit": {pageSize}}, url.Values{}
	if !slices.Contains(letterStatuses, v.Status) {
		v.Status = ""
	}
	if v.Order != "" && !ident.Valid(v.Order) {
		v.Wrong = "order: " + wrongOrder + v.Order
		x.status = http.StatusUnprocessableEntity
		return x.render("dead-letters", "Dead letters", v)
	}
	for name, value := range map[string]string{"status": v.Status, "consumer": v.Consumer, "order": v.Order} {
		if value != "" {
			query.Set(name, value)
			kept.Set(name, value)
			v.Filtered = true
		}
	}
	v.First = "dead-letters?" + kept.Encode()
	if cursor := asked.Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	var list letterList
	if err := x.api.get(x.Context(), "/dead-letters", query, &list); err != nil {
		return err
	}
	v.Letters = list.DeadLetters
	if list.Next != "" {
		kept.Set("cursor", list.Next)
		v.Next = "dead-letters?" + kept.Encode()
	}
	return x.render("dead-letters", "Dead letters", v)
}

type letterView struct {
	Letter letter
	Done   string // an action that was just carried out
}

// deadLetter is one entry, with its message.
func (c Console) deadLetter(x *exchange) error {
	id := x.PathValue("id")
	v := letterView{}
	if err := x.api.get(x.Context(), "/dead-letters/"+url.PathEscape(id), nil, &v.Letter); err != nil {
		return err
	}
	if done := x.URL.Query().Get("done"); slices.Contains([]string{"redrive", "discard"}, done) {
		v.Done = done
	}
	return x.render("dead-letter", "Dead letter "+short(id), v)
}

// deadLetterAction redrives or discards an entry, for a reason.
func (c Console) deadLetterAction(x *exchange) error {
	id, name := x.PathValue("id"), x.PathValue("action")
	if err := x.ParseForm(); err != nil {
		return refusal{http.StatusBadRequest, "The form can't be read.", "Go back and try again."}
	}
	reason := strings.TrimSpace(x.PostForm.Get("reason"))
	var body any
	switch name {
	case "redrive":
		body = map[string]any{"reason": reason, "takeOver": x.PostForm.Get("takeOver") == "yes"}
	case "discard":
		body = map[string]string{"reason": reason}
	default:
		return notFound(x)
	}
	if n := utf8.RuneCountInString(reason); n == 0 || n > maxReason {
		return noReason()
	}
	var answer json.RawMessage
	path := "/dead-letters/" + url.PathEscape(id) + "/" + name
	if err := x.api.post(x.Context(), path, x.PostForm.Get("key"), body, &answer); err != nil {
		return err
	}
	return x.redirect("../" + url.PathEscape(id) + "?done=" + name)
}
