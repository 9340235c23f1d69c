//go:build e2e

package e2e_test

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/quota"
)

// perHour is the quota that the stack has by default.
const perHour = 100

// cheap is a command that counts, and reads nothing but that there is no such order.
func cheap(c customer) request { return post(c.token, "/orders/"+ident.New()+"/cancel", object{}) }

// In a customer's hour, over all instances at once, exactly the quota is let in. What is over it
// learns when to come again; a repeat, an operator, another customer, and reading go on.
func TestQuota(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000) // two commands
	for time.Until(quota.HourOf(c.id, time.Now()).End()) < time.Minute {
		c = newCustomer(t, 1_000)
	}
	place := post(c.token, "/orders", anOrder(onSale(t, line(newStock(t, 5), 1, 1))...))
	placed := must[order](t, http.StatusAccepted, place)
	var admitted, refusals atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range perHour / 8 {
				switch a := sendOnce(t, stack.api, cheap(c)); a.status {
				case http.StatusNotFound:
					admitted.Add(1)
				case http.StatusTooManyRequests:
					refusals.Add(1)
				default:
					t.Errorf("%s", a)
				}
			}
		})
	}
	wg.Wait()
	for admitted.Load() < perHour && refusals.Load() == 0 {
		if a := sendOnce(t, stack.api, cheap(c)); a.status == http.StatusTooManyRequests {
			break
		}
		admitted.Add(1)
	}
	if admitted.Load() != perHour-3 {
		t.Errorf("%d commands were let in after three, want %d", admitted.Load(), perHour-3)
	}
	over := sendOnce(t, stack.api, cheap(c))
	seconds, err := strconv.Atoi(over.header.Get("Retry-After"))
	if over.status != http.StatusTooManyRequests || err != nil || seconds < 1 || seconds > 3600 {
		t.Errorf("over the quota: %s, Retry-After %q", over, over.header.Get("Retry-After"))
	}
	refused(t, http.StatusTooManyRequests, "quota.exceeded", cheap(c))
	if again := must[order](t, http.StatusAccepted, place); again.ID != placed.ID {
		t.Errorf("a repeat placed %s, and not %s again", again.ID, placed.ID)
	}
	c.order(t, placed.ID)
	c.deposit(t, 5)
	if a := sendOnce(t, stack.api, cheap(newCustomer(t, 0))); a.status != http.StatusNotFound {
		t.Errorf("another customer: %s", a)
	}
}
