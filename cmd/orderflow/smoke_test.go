package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
)

// smokeAPI is an API whose orders stay as they are until they are cancelled. It keeps what was
// asked to change something.
type smokeAPI struct {
	refuses string // of the requests that it keeps, as it keeps them; "" refuses none
	mu      sync.Mutex
	asked   []string
	status  string // of the one order
}

var smokeName = regexp.MustCompile(`smoke-[0-9a-f-]{36}`)

func (a *smokeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	asked := r.Method + " " + smokeName.ReplaceAllString(r.URL.Path, "NAME")
	if r.Method != http.MethodGet {
		a.asked = append(a.asked, asked)
	}
	if asked == a.refuses {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"status":422,"code":"test.refused","detail":"as the test wants it"}`)
		return
	}
	switch asked {
	case "POST /orders":
		a.status = "placed"
	case "POST /orders/o-1/cancel":
		a.status = "cancelled"
	}
	_, _ = fmt.Fprintf(w, `{"id":"o-1","status":%q,"onHand":1,"available":1,"version":1,`+
		`"balance":{"amount":100,"currency":"USD"}}`, a.status)
}

// TestSmokeTakesAwayWhatItMade: wherever the test ends, what it made goes away, the last made
// first, and what can't be taken away keeps nothing else.
func TestSmokeTakesAwayWhatItMade(t *testing.T) {
	const (
		register, open, list   = "POST /customers", "POST /accounts", "PUT /products/NAME"
		count, deposit, place  = "PUT /stock/NAME", "POST /accounts/o-1/deposits", "POST /orders"
		cancel, withdraw, gone = "POST /orders/o-1/cancel", "POST /accounts/o-1/withdrawals", "DELETE /customers/NAME"
	)
	made := []string{register, open, list, count, deposit, place}
	for name, tc := range map[string]struct {
		refuses   string
		simulated bool
		asked     []string
		problems  int
	}{
		"nothing is refused": {
			simulated: true, asked: append(slices.Clone(made), cancel, withdraw, count, list, gone),
		},
		"no customer":          {register, true, []string{register, gone}, 1},
		"no account":           {open, true, []string{register, open, gone}, 1},
		"no product, and then": {list, true, []string{register, open, list, list, gone}, 2},
		"no stock, and then":   {count, true, []string{register, open, list, count, count, list, gone}, 2},
		"no order":             {place, true, append(slices.Clone(made), withdraw, count, list, gone), 1},
		"money stays":          {withdraw, true, append(slices.Clone(made), cancel, withdraw, count, list, gone), 1},
		"not confirmed in time": {
			"", false, append(slices.Clone(made), cancel, withdraw, count, list, gone), 1,
		},
		"not cancelled, twice": {
			cancel, true, append(slices.Clone(made), cancel, cancel, withdraw, count, list, gone), 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			api := &smokeAPI{refuses: tc.refuses}
			server := httptest.NewServer(api)
			defer server.Close()
			stack := &deployment.Deployment{Parameters: map[string]string{"SimulatedCarrier": fmt.Sprint(tc.simulated)}}
			timeout := time.Minute
			if !tc.simulated {
				timeout = 2 * time.Second // nobody confirms the order
			}
			check := smokeTest{timeout: timeout}.run(t.Context(), stack,
				func(context.Context) (*shop.Client, error) { return shop.New(server.URL, "operator"), nil })
			if !slices.Equal(api.asked, tc.asked) {
				t.Errorf("asked\n%v, want\n%v", api.asked, tc.asked)
			}
			if len(check.Problems) != tc.problems {
				t.Errorf("problems %+v, want %d", check.Problems, tc.problems)
			}
		})
	}
}
