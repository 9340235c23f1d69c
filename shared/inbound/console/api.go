package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"orderflow/shared/shop/money"
	"orderflow/shared/shop/trail"
)

// API is the stack's HTTP API, as everybody reaches it.
type API struct {
	url  string
	http *http.Client
}

// maxAnswer is more than API Gateway lets through.
const maxAnswer = 10 << 20

// NewAPI makes a client of the API at an address without a slash at the end.
func NewAPI(address string) *API {
	return &API{url: strings.TrimSuffix(address, "/"), http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     repeating{http.DefaultTransport},
	}}
}

// repeating has a request sent again whose connection the other side closed before it answered, as
// it does while the function is frozen. Go repeats only what has no effect, or a key: a command has
// one, what is put or deleted is the same again, and a code for a token that somebody took already
// is refused.
type repeating struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t repeating) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Idempotency-Key") == "" {
		r = r.Clone(r.Context())
		r.Header["Idempotency-Key"] = []string{} // says that it may be repeated, and is not sent
	}
	return t.RoundTripper.RoundTrip(r)
}

// Problem is the API's answer to a request that it doesn't carry out.
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

// Error implements error.
func (p *Problem) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the API answered %d %s: %s", p.Status, p.Code, p.Detail))
}

// refusal says the same to people.
func (p *Problem) refusal() refusal {
	var hints []string
	for _, e := range p.Errors {
		hints = append(hints, e.Location+": "+e.Message)
	}
	hint := strings.Join(hints, "; ")
	switch {
	case p.Status == http.StatusForbidden:
		return refusal{p.Status, "Only operators may see this.", "Sign in as an operator."}
	case p.Status == http.StatusNotFound && p.Code != "":
		return refusal{p.Status, "There is nothing here.", strings.TrimSpace(p.Detail + " " + hint)}
	case p.Status == http.StatusPreconditionFailed:
		return refusal{
			p.Status, "Somebody else changed it since you opened the page. Nothing of yours was written.",
			"Go back, reload the page, and decide again. " + p.Detail,
		}
	case p.Status == http.StatusTooManyRequests:
		return refusal{p.Status, "The API has too many requests right now.", "Try again in a moment."}
	case p.Status >= http.StatusInternalServerError:
		return refusal{p.Status, "The API did not answer.", "Nothing is lost. Try again in a moment."}
	}
	what := p.Detail
	if what == "" {
		what = "The API rejects the request."
	}
	return refusal{p.Status, what, hint}
}

// caller makes requests as the operator who looks at a page.
type caller struct {
	*API
	token         string
	correlationID string
}

// errUnchanged is the API's answer that the version is still the one that is known.
var errUnchanged = errors.New("console: unchanged")

// get reads what is at a path of the API.
func (c caller) get(ctx context.Context, path string, query url.Values, into any) error {
	_, err := c.read(ctx, path, query, "", into)
	return err
}

// read is get for who has a version already, and gives the version that is there.
func (c caller) read(ctx context.Context, path string, query url.Values, etag string, into any) (string, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		return "", err
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	return c.do(r, into)
}

// post carries a command out, once for each key; one that changes nothing has none.
func (c caller) post(ctx context.Context, path, key string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	_, err = c.do(r, into)
	return err
}

// put brings something into a state. What it is decided on goes into the header.
func (c caller) put(ctx context.Context, path string, match http.Header, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, c.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header = match.Clone()
	r.Header.Set("Content-Type", "application/json")
	_, err = c.do(r, into)
	return err
}

// erase removes what is at a path, however often it is asked for.
func (c caller) erase(ctx context.Context, path string, query url.Values, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.url+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	_, err = c.do(r, into)
	return err
}

func (c caller) do(r *http.Request, into any) (etag string, err error) {
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("X-Correlation-Id", c.correlationID)
	r.Header.Set("Traceparent", trail.Of(r.Context()).Traceparent)
	res, err := c.http.Do(r)
	if err != nil {
		return "", &Problem{Status: http.StatusBadGateway, Code: "console.no-answer", Detail: withoutURL(err).Error()}
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusNotModified {
		return "", errUnchanged
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return "", &Problem{Status: http.StatusBadGateway, Code: "console.no-answer", Detail: err.Error()}
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		p := &Problem{}
		if json.Unmarshal(text, p) != nil { // API Gateway's own answers are of another form
			*p = Problem{}
		}
		p.Status = res.StatusCode
		return "", p
	}
	if err := json.Unmarshal(text, into); err != nil {
		return "", fmt.Errorf("console: %s: %w", r.URL.Path, err)
	}
	return res.Header.Get("ETag"), nil
}

// withoutURL is an error of a request without its address, whose query may have what people look
// for: the error gets into the log.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// What the pages read of the API's answers. docs/openapi.yaml describes them.

type orderList struct {
	Orders        []listedOrder `json:"orders"`
	Next          string        `json:"next"`
	LookedAt      int           `json:"lookedAt"`
	LookedThrough *time.Time    `json:"lookedThrough"`
}

type listedOrder struct {
	ID             string      `json:"id"`
	CustomerID     string      `json:"customerId"`
	Status         string      `json:"status"`
	Reason         string      `json:"reason"`
	Total          money.Money `json:"total"`
	LineCount      int         `json:"lineCount"`
	PlacedAt       time.Time   `json:"placedAt"`
	UpdatedAt      time.Time   `json:"updatedAt"`
	TrackingNumber string      `json:"trackingNumber"`
	Saga           *saga       `json:"saga"`
}

type saga struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

type orderState struct {
	ID         string `json:"id"`
	CustomerID string `json:"customerId"`
	AccountID  string `json:"accountId"`
	Status     string `json:"status"`
	Lines      []struct {
		SKU       string       `json:"sku"`
		Quantity  int64        `json:"quantity"`
		UnitPrice money.Money  `json:"unitPrice"`
		Amount    money.Money  `json:"amount"`
		Discount  *priceChange `json:"discount"`
		Tax       *priceChange `json:"tax"`
	} `json:"lines"`
	Total           money.Money       `json:"total"`
	PricedBy        string            `json:"pricedBy"`
	ShippingAddress map[string]string `json:"shippingAddress"`
	Erased          bool              `json:"erased"`
	PlacedAt        time.Time         `json:"placedAt"`
	ChangedAt       *time.Time        `json:"changedAt"`
	HoldRules       []string          `json:"holdRules"`
	Wait            *struct {
		For    string     `json:"for"`
		Until  *time.Time `json:"until"`
		Rules  []string   `json:"rules"`
		Code   string     `json:"code"`
		Detail string     `json:"detail"`
	} `json:"wait"`
	Saga    *saga `json:"saga"`
	Payment *struct {
		ID string `json:"id"`
	} `json:"payment"`
	Shipment *struct {
		ID             string `json:"id"`
		TrackingNumber string `json:"trackingNumber"`
	} `json:"shipment"`
	Approval *struct {
		By   string `json:"by"`
		Note string `json:"note"`
	} `json:"approval"`
	Cancellation *struct {
		Reason string `json:"reason"`
		Detail string `json:"detail"`
		By     string `json:"by"`
		Note   string `json:"note"`
	} `json:"cancellation"`
	Refunded *money.Money `json:"refunded"`
	Refunds  []struct {
		ID         string      `json:"id"`
		Amount     money.Money `json:"amount"`
		Reason     string      `json:"reason"`
		Note       string      `json:"note"`
		By         string      `json:"by"`
		RefundedAt time.Time   `json:"refundedAt"`
	} `json:"refunds"`
	Version int64 `json:"version"`
}

type priceChange struct {
	Name   string      `json:"name"`
	Amount money.Money `json:"amount"`
}

type history struct {
	Events []event `json:"events"`
}

type event struct {
	Sequence      int64           `json:"sequence"`
	ID            string          `json:"id"`
	Type          string          `json:"type"`
	Time          time.Time       `json:"time"`
	CorrelationID string          `json:"correlationId"`
	CausationID   string          `json:"causationId"`
	Actor         *actor          `json:"actor"`
	Data          json.RawMessage `json:"data"`
}

type actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}
