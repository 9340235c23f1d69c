package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const letterID = "9394d392-a6e1-54bb-866b-0f41f259bc30"

// letterIs is what the API says of a dead-letter entry, with hostile texts in it.
func letterIs(status, kind string, held bool) string {
	text := `{"id":"` + letterID + `","status":"` + status + `","kind":"` + kind + `","consumer":"start-saga",
		"topic":"order.placed","correlationId":"HOSTILE","error":"HOSTILE","code":"x","retryCount":3,
		"firstFailure":"2026-03-01T10:00:00Z","lastFailure":"2026-03-01T10:01:00Z","recordedAt":"2026-03-01T10:01:00Z",
		"redrives":1,"redriveError":"HOSTILE","nextRedriveAt":"2026-03-01T10:05:00Z","held":HELD,"hint":"HOSTILE",
		"message":{"text":"HOSTILE"},"attributes":{"name":"HOSTILE"},"decisions":[{"at":"2026-03-01T10:03:00Z",
		"by":"HOSTILE","action":"redrive","reason":"HOSTILE","takeOver":true},{"at":"2026-03-01T10:04:00Z",
		"by":"person/jo","action":"discard"}]}`
	if held {
		text = strings.ReplaceAll(text, "HELD", "true")
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "HELD", "false"), `"HOSTILE"`, quoted(hostile))
}

// The list asks for what the form says; an entry shows its message and what may be done with it.
func TestDeadLetters(t *testing.T) {
	w := newWorld(t)
	const request = "GET /dead-letters?consumer=start-saga&limit=25&status=open"
	w.answer(request, http.StatusOK, `{"deadLetters":[`+letterIs("open", "queue", true)+`],"next":"CURSOR"}`)
	wantSafe(t, w.get("/dead-letters?status=open&consumer=start-saga"), "held", "&lt;script&gt;",
		"dead-letters?consumer=start-saga&amp;cursor=CURSOR&amp;status=open")
	w.answer("GET /dead-letters?limit=25", http.StatusOK, `{"deadLetters":[]}`)
	wantSafe(t, w.get("/dead-letters?status=nonsense"), "Nothing was given up.")
	w.answer("GET /dead-letters?limit=25&order="+orderID, http.StatusOK, `{"deadLetters":[`+
		strings.Replace(letterIs("open", "queue", false), `{`, `{"orderId":"`+orderID+`",`, 1)+`]}`)
	wantSafe(t, w.get("/dead-letters?order=+"+orderID), `value="`+orderID+`"`, `href="orders/`+orderID+`"`)
	wantPage(t, w.get("/dead-letters?order=7"), http.StatusUnprocessableEntity,
		"order: expected an order&#39;s id", "got 7")
	want := []string{request, "GET /dead-letters?limit=25", "GET /dead-letters?limit=25&order=" + orderID}
	if diff := cmp.Diff(want, w.requests()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const redrive, discard, twice = "/redrive\"", "/discard\"", "takeOver"
	for name, tc := range map[string]struct {
		status, kind string
		held         bool
		has, lacks   []string
	}{
		"open":        {"open", "queue", false, []string{redrive, discard}, []string{twice}},
		"held":        {"open", "queue", true, []string{redrive, discard, twice}, nil},
		"spent":       {"spent", "record", false, []string{redrive, discard}, []string{twice}},
		"no way back": {"open", "none", false, []string{discard}, []string{redrive}},
		"on its way":  {"redriving", "queue", false, []string{discard}, []string{redrive}},
		"resolved":    {"resolved", "queue", false, nil, []string{redrive, discard}},
		"discarded":   {"discarded", "queue", false, nil, []string{redrive, discard}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answer("GET /dead-letters/"+letterID, http.StatusOK, letterIs(tc.status, tc.kind, tc.held))
			out := w.get("/dead-letters/" + letterID)
			wantSafe(t, out, append(tc.has, "order.placed", "2026-03-01 10:05:00", "2026-03-01 10:03:00",
				"person/jo", "though the effect may happen twice")...)
			for _, never := range tc.lacks {
				if strings.Contains(out.Body.String(), never) {
					t.Errorf("the page has %s", never)
				}
			}
		})
	}
}

// wantSafe is wantPage for a page in which nothing that somebody wrote is more than text.
func wantSafe(t *testing.T, out *httptest.ResponseRecorder, says ...string) {
	t.Helper()
	wantPage(t, out, http.StatusOK, says...)
	if found := inline.FindString(out.Body.String()); found != "" {
		t.Errorf("the content policy forbids %s: %s", found, out.Body)
	}
}

// What an operator decides of an entry reaches the API once, with the form's key.
func TestDeadLetterDecisions(t *testing.T) {
	for name, tc := range map[string]struct {
		action, body string
		form         url.Values
	}{
		"redrive": {
			"redrive", `{"reason":"a test","takeOver":false}`, url.Values{"key": {"K"}, "reason": {" a test "}},
		},
		"redrive all the same": {
			"redrive", `{"reason":"a test","takeOver":true}`,
			url.Values{"key": {"K"}, "reason": {"a test"}, "takeOver": {"yes"}},
		},
		"discard": {"discard", `{"reason":"a test"}`, url.Values{"key": {"K"}, "reason": {" a test "}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			path := "/dead-letters/" + letterID + "/" + tc.action
			w.answer("POST "+path, http.StatusOK, letterIs("open", "queue", false))
			out := w.post(path, tc.form)
			wantStatus(t, out, http.StatusSeeOther)
			if to := out.Header().Get("Location"); to != "../"+letterID+"?done="+tc.action {
				t.Errorf("leads to %s", to)
			}
			if len(w.asked) != 1 || w.asked[0].Header.Get("Idempotency-Key") != "K" || w.bodies[0] != tc.body {
				t.Errorf("asked %v with %s", w.asked, w.bodies)
			}
		})
	}
	w := newWorld(t)
	for _, action := range []string{"redrive", "discard"} {
		for _, reason := range []string{"", " ", strings.Repeat("é", 501)} {
			wantPage(t, w.post("/dead-letters/"+letterID+"/"+action, url.Values{"key": {"K"}, "reason": {reason}}),
				http.StatusUnprocessableEntity, "A reason is missing")
		}
	}
	wantPage(t, w.post("/dead-letters/"+letterID+"/erase", nil), http.StatusNotFound, "no such page")
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
}

// An item shows its stock and its price; one that nobody counted or listed says so.
func TestStock(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /stock/BOOK-1", http.StatusOK,
		`{"sku":"BOOK-1","onHand":17,"available":5,"reserved":12,"version":3,"shards":4}`)
	w.answer("GET /products/BOOK-1", http.StatusOK, `{"sku":"BOOK-1","version":1,"outOfStock":"backorder",
		"current":[{"amount":1999,"currency":"EUR"}],"prices":[{"amount":1999,"currency":"EUR"},
		{"amount":2099,"currency":"EUR","validFrom":"2026-04-01T00:00:00Z"}],"withdrawn":true}`)
	w.answer("GET /stock/BOOK-1/history?limit=10", http.StatusOK, hostileIn(`{"counts":[
		{"sequence":2,"time":"2026-02-28T09:00:00Z","counted":17,"before":19,"delta":-2,"left":81,
		"actor":{"kind":"person","id":"HOSTILE"}},
		{"sequence":1,"time":"2026-02-27T09:00:00Z","counted":100,"before":0,"delta":100,"left":0}],"next":"OLDER"}`))
	w.answer("GET /stock/BOOK-1/waitlist?limit=10", http.StatusOK, `{"waiting":23,"passed":4,"entries":[
		{"orderId":"`+orderID+`","revision":1,"quantity":8}],"next":"BEHIND"}`)
	w.answer("GET /stock/BOOK-1/history?cursor=OLDER&limit=10", http.StatusOK, `{"counts":[]}`)
	w.answer("GET /stock/NEW/waitlist?limit=10", http.StatusOK, `{"waiting":0,"passed":0,"entries":[]}`)
	wantSafe(t, w.get("/stock?sku=BOOK-1"), "17", "12", "EUR 19.99", "EUR 20.99", "2026-04-01", "withdrawn",
		"backorder", "&lt;script&gt;", ">-2<", ">&#43;100<", ">81<", "unknown", "23 in line. 4 of at most 10",
		`orders/`+orderID, "stock?counts=OLDER&amp;sku=BOOK-1", "stock?line=BEHIND&amp;sku=BOOK-1")
	wantSafe(t, w.get("/stock?sku=BOOK-1&counts=OLDER"), "Newest counts", "23 in line")
	wantSafe(t, w.get("/stock?sku=NEW"), "Nobody has counted NEW yet.", "NEW was never listed.", "Nobody waits for it.")
	if asked := w.requests(); len(asked) != 12 {
		t.Errorf("three pages asked for %s", asked)
	}
	w.answer("GET /stock/BOOK-1/movements?limit=10", http.StatusOK, hostileIn(`{"movements":[
		{"time":"2026-02-28T10:00:00Z","kind":"stock.departed","orderId":"`+orderID+`","quantity":3,"available":0,
		"onHand":-3,"actor":{"kind":"machine","id":"HOSTILE"}}],"lookedAt":7,
		"lookedThrough":"2026-02-27T08:00:00Z","next":"EARLIER"}`))
	w.answer("GET /stock/BOOK-1/movements?cursor=EARLIER&limit=10", http.StatusOK, `{"movements":[],"lookedAt":0}`)
	wantSafe(t, w.get("/stock?sku=BOOK-1&movements=newest"), "stock.departed", ">-3<", "Looked at 7 orders",
		"2026-02-27", "orders/"+orderID, "&lt;script&gt;", "stock?movements=EARLIER&amp;sku=BOOK-1")
	wantSafe(t, w.get("/stock?sku=BOOK-1&movements=EARLIER"), "None of them has moved any.",
		"stock?movements=newest&amp;sku=BOOK-1")
	if asked := w.requests(); len(asked) != 10 {
		t.Errorf("two pages with movements asked for %s", asked)
	}
	wantSafe(t, w.get("/stock"), "SKU")
	wantPage(t, w.get("/stock?sku=../x"), http.StatusUnprocessableEntity, "A SKU has 1 to 64 letters")
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
	w.answer("GET /stock/BOOK-1", http.StatusServiceUnavailable, `{"code":"unavailable"}`)
	wantPage(t, w.get("/stock?sku=BOOK-1"), http.StatusServiceUnavailable, "did not answer")
}

// TestToday: today is the shop's, which has begun before UTC's or has not yet.
func TestToday(t *testing.T) {
	const at = `{"date":"%s","orders":0,"confirmed":0,"cancelled":0,"revenue":[],"refunded":[],"topSkus":[]}`
	rows := regexp.MustCompile(`<th scope="row">(2026-\d\d-\d\d)</th>`)
	var days []string
	for d := range 9 {
		days = append(days, fmt.Sprintf(at, time.Date(2026, 2, 22+d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)))
	}
	for zone, tc := range map[string]struct {
		hour, from  int
		first, last string
	}{
		"UTC":                 {12, 1, "2026-02-23", "2026-03-01"},
		"Asia/Tokyo":          {15, 2, "2026-02-24", "2026-03-02"},
		"America/Los_Angeles": {7, 0, "2026-02-22", "2026-02-28"},
		"Pacific/Kiritimati":  {10, 2, "2026-02-24", "2026-03-02"},
	} {
		t.Run(zone, func(t *testing.T) {
			w := newWorld(t)
			w.clock.Advance(time.Duration(tc.hour-12) * time.Hour)
			w.answer("GET /analytics/daily?from=2026-02-28&hours=true&to=2026-03-02&top=0", http.StatusOK,
				fmt.Sprintf(`{"timeZone":%q,"days":[]}`, zone))
			w.answer("GET /analytics/daily?from="+tc.first+"&to="+tc.last, http.StatusOK,
				fmt.Sprintf(`{"timeZone":%q,"days":[%s]}`, zone, strings.Join(days[tc.from:tc.from+7], ",")))
			w.answer("GET /analytics/minutes", http.StatusOK, fmt.Sprintf(`{"timeZone":%q,"minutes":[]}`, zone))
			w.answer("GET /analytics/dead-letters", http.StatusOK, `{"consumers":[]}`)
			w.answer("GET /analytics/cost", http.StatusOK, `{"orders":[]}`)
			session := operator(w.clock.Now().Add(time.Hour))
			out := w.send(http.MethodGet, "/figures", nil, cookie("orderflow-session", session))
			wantPage(t, out, http.StatusOK, "Figures")
			var shown []string
			for _, row := range rows.FindAllStringSubmatch(out.Body.String(), -1) {
				shown = append(shown, row[1])
			}
			if len(shown) != 7 || shown[0] != tc.last || shown[6] != tc.first {
				t.Errorf("it shows %s, want %s to %s", shown, tc.last, tc.first)
			}
		})
	}
}
