package producttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/product"
)

// Backend is a store under test with its rows.
type Backend struct {
	Store es.Store
	Rows  product.Rows
	// Contended says that appends meet others under way, so that some are tried more than once.
	Contended bool
}

// Run puts the product service through the suite. open is called once, with a registry that knows
// the products' events.
func Run(t *testing.T, open func(t *testing.T, registry *es.Registry) Backend) {
	t.Helper()
	b := open(t, es.NewRegistry(product.Register))
	for _, c := range []struct {
		name string
		test func(*testing.T, *shop)
	}{
		{"list, reprice, withdraw", changes},
		{"what can't be", refusals},
		{"a request that comes again", repeats},
		{"what a row holds", roundTrip},
		{"offers", offers},
		{"offers of as many SKUs as may be", manyOffers},
		{"lists", lists},
		{"a long stream costs what a short one does", longStream},
		{"a row that is lost or of another time", damage},
		{"lost answers", lostAnswers},
		{"changes race", race},
		{"everything at once", everything},
		{"as a simple model does", model},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(
				t,
				&shop{
					Backend: b,
					service: product.New(product.Deps{Store: b.Store, Clock: clock.System{}, Rows: b.Rows}),
				},
			)
		})
	}
}

// shop is the service under test.
type shop struct {
	Backend
	service product.Service
}

// tester is what testing.T and rapid.T share.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// request is a command of its own.
func request() es.Request { return es.Request{CommitID: ident.New(), Time: estest.Start} }

// newSKU names a SKU that no other test uses. Those of one prefix are in the order in which they
// were made.
func newSKU() string { return "cd-" + ident.New() }

// Eur is a price in euros that always was in force.
func Eur(cents int64) product.Price {
	return product.Price{Money: money.Money{Amount: cents, Currency: "EUR"}}
}

// From is a price that comes into force at a time.
func From(p product.Price, at time.Time) product.Price {
	p.ValidFrom = at
	return p
}

func usd(cents int64) product.Price {
	return product.Price{Money: money.Money{Amount: cents, Currency: "USD"}}
}

func at(prices ...product.Price) product.Desired { return product.Desired{Prices: prices} }

var withdrawn = product.Desired{Withdrawn: true}

// must is a change that has to succeed.
func (s *shop) must(t tester, sku string, want product.Desired, version int64) product.Product {
	t.Helper()
	p, err := s.service.Set(context.Background(), request(), sku, want, product.Match{Version: version})
	if err != nil {
		t.Fatalf("set %s at %d: %v", sku, version, err)
	}
	return p
}

// want compares what Get says, and sees to it that the row is what the stream folds to.
func (s *shop) want(t tester, want product.Product) {
	t.Helper()
	got, err := s.service.Get(context.Background(), want.SKU)
	if err != nil {
		t.Fatalf("get %s: %v", want.SKU, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", want.SKU, diff)
	}
	if drift, found, err := s.service.Check(context.Background(), want.SKU); err != nil || found {
		t.Errorf("row and stream differ: %+v, %v", drift, err)
	}
}

func (s *shop) events(t tester, sku string) (events []any) {
	t.Helper()
	h, err := s.Store.Load(context.Background(), es.NewStreamID(product.Category, sku), 0)
	if err != nil {
		t.Fatalf("load %s: %v", sku, err)
	}
	for _, e := range h.Events {
		events = append(events, e.Data)
	}
	return events
}

func changes(t *testing.T, s *shop) {
	sku := newSKU()
	first, second := []product.Price{
		Eur(999),
		usd(1099),
	}, []product.Price{
		Eur(999),
		From(Eur(799), estest.Start),
		usd(1099),
	}
	set := func(want product.Desired, version int64, fault error, then product.Product) {
		t.Helper()
		got, err := s.service.Set(t.Context(), request(), sku, want, product.Match{Version: version})
		if !errors.Is(err, fault) {
			t.Errorf("got %v, want %v", err, fault)
		}
		if then.SKU = sku; fault == nil {
			if diff := cmp.Diff(then, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			s.want(t, then)
		}
	}
	none := product.Product{}
	if _, err := s.service.Get(t.Context(), sku); !errors.Is(err, product.ErrNotFound) {
		t.Errorf("before it is listed: %v", err)
	}
	set(at(first...), 1, product.ErrVersionMismatch, none)
	set(at(first...), -1, product.ErrVersionRequired, none)
	set(withdrawn, 0, product.ErrNotFound, none)
	set(at(first[1], first[0]), 0, nil, product.Product{Version: 1, Prices: first})
	set(at(first...), 0, product.ErrVersionMismatch, none)
	set(at(first...), 1, nil, product.Product{Version: 1, Prices: first}) // nothing new, no event
	set(at(second...), 2, product.ErrVersionMismatch, none)
	set(at(second...), 1, nil, product.Product{Version: 2, Prices: second})
	set(withdrawn, 1, product.ErrVersionMismatch, none)
	set(withdrawn, 2, nil, product.Product{Version: 3, Withdrawn: true})
	set(withdrawn, 3, nil, product.Product{Version: 3, Withdrawn: true})
	set(at(second...), 0, product.ErrVersionMismatch, none)
	set(at(second...), 3, nil, product.Product{Version: 4, Prices: second})
	want := []any{
		product.Listed{
			SKU:    sku,
			Prices: first,
		},
		product.Repriced{SKU: sku, Prices: second},
		product.Withdrawn{SKU: sku},
		product.Listed{SKU: sku, Prices: second},
	}
	if diff := cmp.Diff(want, s.events(t, sku)); diff != "" {
		t.Error(diff)
	}
}

// refusals: what can't be writes nothing.
func refusals(t *testing.T, s *shop) {
	sku := newSKU()
	for _, want := range []product.Desired{
		at(), at(Eur(-1)), at(Eur(product.MaxPrice + 1)), at(Eur(1), Eur(2)),
		at(product.Price{Money: money.Money{Amount: 1, Currency: "ZZZ"}}),
		{Withdrawn: true, Prices: []product.Price{Eur(1)}},
	} {
		if p, err := s.service.Set(t.Context(), request(), sku, want, product.Match{}); err == nil {
			t.Errorf("%+v became %+v", want, p)
		}
	}
	for _, odd := range []string{"", "-x", "a b", "a/b", strings.Repeat("x", 65)} {
		if _, err := s.service.Set(
			t.Context(),
			request(),
			odd,
			at(Eur(1)),
			product.Match{},
		); !errors.Is(
			err,
			product.ErrNotFound,
		) {
			t.Errorf("%q: %v", odd, err)
		}
		if _, err := s.service.Get(t.Context(), odd); !errors.Is(err, product.ErrNotFound) {
			t.Errorf("%q: %v", odd, err)
		}
	}
	if got := s.events(t, sku); len(got) > 0 {
		t.Errorf("written: %v", got)
	}
	if _, err := s.service.List(t.Context(), false, "", 0); err == nil {
		t.Error("a page of no products")
	}
	row, err := s.Rows.Row(t.Context(), sku)
	if err != nil || row.Known() {
		t.Errorf("the row is %+v, %v", row, err)
	}
}

func repeats(t *testing.T, s *shop) {
	sku, first, second := newSKU(), request(), request()
	set := func(req es.Request, want product.Desired, version int64, fault error, then int64) {
		t.Helper()
		p, err := s.service.Set(t.Context(), req, sku, want, product.Match{Version: version})
		if !errors.Is(err, fault) || fault == nil && p.Version != then {
			t.Errorf("got version %d, %v, want %d, %v", p.Version, err, then, fault)
		}
	}
	for range 3 {
		set(first, at(Eur(999)), 0, nil, 1)
	}
	set(request(), at(Eur(999)), 0, product.ErrVersionMismatch, 0) // somebody else's, of the same words
	set(second, at(Eur(899)), 1, nil, 2)
	set(second, at(Eur(899)), 1, nil, 2)
	set(first, at(Eur(999)), 0, product.ErrVersionMismatch, 0) // it was changed since
	s.want(t, product.Product{SKU: sku, Version: 2, Prices: []product.Price{Eur(899)}})
}

// roundTrip: the rows hold each price as it was set, to the nanosecond.
func roundTrip(t *testing.T, s *shop) {
	sku := newSKU()
	prices := make([]product.Price, product.MaxPrices)
	for i := range prices {
		prices[i] = From(Eur(product.MaxPrice-int64(i)), estest.Start.Add(time.Duration(i)))
	}
	prices[0] = Eur(0)
	prices[product.MaxPrices-1].ValidFrom = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	shuffled := slices.Clone(prices)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for i := range shuffled {
		if !shuffled[i].ValidFrom.IsZero() {
			shuffled[i].ValidFrom = shuffled[i].ValidFrom.In(time.FixedZone("", i*60))
		}
	}
	s.must(t, sku, at(shuffled...), 0)
	s.want(t, product.Product{SKU: sku, Version: 1, Prices: prices})
}

func offers(t *testing.T, s *shop) {
	sale := From(Eur(799), estest.Start)
	skus := make([]string, 5)
	for i := range skus {
		skus[i] = newSKU()
	}
	s.must(t, skus[0], at(usd(1099), sale, Eur(999)), 0)
	s.must(t, skus[1], at(Eur(500)), 0)
	s.must(t, skus[2], at(Eur(500)), 0)
	s.must(t, skus[2], withdrawn, 1)
	s.must(t, skus[3], at(sale), 0)
	asked := append(
		slices.Clone(skus),
		skus[0],
		skus[1],
		"",
		"a b",
		strings.Repeat("x", 65),
	) // the last of skus nobody has listed
	want := func(when time.Time, want map[string][]money.Money) {
		t.Helper()
		got, err := s.service.Offers(t.Context(), asked, when)
		if err != nil {
			t.Fatal(err)
		}
		prices := map[string][]money.Money{}
		for sku, offer := range got {
			if prices[sku] = offer.Prices; offer.SKU != sku || offer.Version != 1 {
				t.Errorf("%s has the offer %+v", sku, offer)
			}
		}
		if diff := cmp.Diff(want, prices); diff != "" {
			t.Errorf("at %s (-want +got)\n%s", when, diff)
		}
	}
	euros := func(cents int64) money.Money { return Eur(cents).Money }
	want(
		sale.ValidFrom.Add(-1),
		map[string][]money.Money{skus[0]: {euros(999), usd(1099).Money}, skus[1]: {euros(500)}},
	)
	want(sale.ValidFrom.In(time.FixedZone("", 3600)), map[string][]money.Money{
		skus[0]: {euros(799), usd(1099).Money}, skus[1]: {euros(500)}, skus[3]: {euros(799)},
	})
	s.must(t, skus[0], withdrawn, 1)
	want(sale.ValidFrom, map[string][]money.Money{skus[1]: {euros(500)}, skus[3]: {euros(799)}})
	for _, none := range [][]string{nil, {}, {""}} {
		if got, err := s.service.Offers(t.Context(), none, estest.Start); err != nil || len(got) > 0 {
			t.Errorf("of %q: %v, %v", none, got, err)
		}
	}
}

func manyOffers(t *testing.T, s *shop) {
	var skus []string
	for i := range product.MaxBatch {
		sku := newSKU()
		if skus = append(skus, sku); i%10 == 0 {
			s.must(t, sku, at(Eur(int64(i))), 0)
		}
	}
	got, err := s.service.Offers(t.Context(), append(skus, skus...), estest.Start)
	if err != nil || len(got) != product.MaxBatch/10 {
		t.Fatalf("%d offers, %v", len(got), err)
	}
	for i := 0; i < len(skus); i += 10 {
		if price, found := got[skus[i]].Price("EUR"); !found || price.Amount != int64(i) {
			t.Errorf("%s costs %v, %v", skus[i], price, found)
		}
	}
	if _, err := s.service.Offers(t.Context(), append(skus, newSKU()), estest.Start); err == nil {
		t.Error("one more than may be was read")
	}
}

func lists(t *testing.T, s *shop) {
	// SKUs sort as bytes do: Z before a. Others' are between them; these begin with what no other
	// test's do.
	prefix := "LIST" + ident.New()[:8]
	var forSale, gone []string
	for _, name := range []string{"-Z", "-a", "-b", "-c", "-d", ".1", "_2"} {
		sku := prefix + name
		s.must(t, sku, at(Eur(5)), 0)
		forSale = append(forSale, sku)
	}
	for _, name := range []string{"-c", ".1"} {
		s.must(t, prefix+name, withdrawn, 1)
		gone = append(gone, prefix+name)
		forSale = slices.DeleteFunc(forSale, func(sku string) bool { return sku == prefix+name })
	}
	pages := func(withdrawn bool, limit int) (skus []string, err error) {
		for after := prefix; ; {
			page, err := s.service.List(t.Context(), withdrawn, after, limit)
			if err != nil || len(page) > limit {
				return nil, errors.Join(err, fmt.Errorf("%d on a page of %d", len(page), limit))
			}
			for _, p := range page {
				if after = p.SKU; !strings.HasPrefix(p.SKU, prefix) {
					return skus, nil
				}
				if p.Withdrawn != withdrawn || withdrawn != (len(p.Prices) == 0) {
					return nil, fmt.Errorf("the list of withdrawn %v has %+v", withdrawn, p)
				}
				skus = append(skus, p.SKU)
			}
			if len(page) < limit {
				return skus, nil
			}
		}
	}
	slices.Sort(forSale)
	slices.Sort(gone)
	for _, limit := range []int{1, 2, 3, 100, 5000} {
		eventually(t, func() error {
			got, err1 := pages(false, limit)
			taken, err2 := pages(true, limit)
			if err := errors.Join(
				err1,
				err2,
			); err != nil || !slices.Equal(got, forSale) ||
				!slices.Equal(taken, gone) {
				return fmt.Errorf("pages of %d: for sale %v, withdrawn %v, %w", limit, got, taken, err)
			}
			return nil
		})
	}
}

// eventually waits for a list to follow.
func eventually(t *testing.T, ok func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		err := ok()
		if err == nil {
			return
		}
		if (clock.System{}).Sleep(ctx, 50*time.Millisecond) != nil {
			t.Fatal(err)
		}
	}
}

// longStream: a change reads neither more nor other things however often the product was changed
// before.
func longStream(t *testing.T, s *shop) {
	hooked := &estest.Hooked{Store: s.Store}
	s.service = product.New(product.Deps{Store: hooked, Clock: clock.System{}, Rows: s.Rows})
	sku := newSKU()
	const n = 30
	for version := range int64(n) {
		s.must(t, sku, at(Eur(version)), version)
	}
	if hooked.Loads.Load() > 0 || hooked.Appends.Load() != n && !s.Contended {
		t.Errorf(
			"%d changes loaded the stream %d times and appended %d times",
			n,
			hooked.Loads.Load(),
			hooked.Appends.Load(),
		)
	}
	s.want(t, product.Product{SKU: sku, Version: n, Prices: []product.Price{Eur(n - 1)}})
}

// damage: rows that were restored to another time than the events, or lost, are found and mended,
// and stop no change.
func damage(t *testing.T, s *shop) {
	older := product.Product{Version: 1, Prices: []product.Price{Eur(1)}}
	for name, tc := range map[string]struct{ row product.Product }{
		"lost":          {product.Product{}},
		"older":         {older},
		"newer":         {product.Product{Version: 9, Prices: []product.Price{Eur(9)}}},
		"another price": {product.Product{Version: 3, Prices: []product.Price{Eur(2)}}},
		"withdrawn":     {product.Product{Version: 3, Withdrawn: true}},
	} {
		t.Run(name, func(t *testing.T) {
			broken := func() (string, product.Product) {
				sku, row := newSKU(), tc.row
				for version := range int64(3) {
					s.must(t, sku, at(Eur(version+1)), version)
				}
				if row.Known() {
					row.SKU = sku
				}
				if err := s.Rows.Mend(t.Context(), sku, row, 3); err != nil {
					t.Fatal(err)
				}
				return sku, row
			}
			sku, row := broken()
			whole := product.Product{SKU: sku, Version: 3, Prices: []product.Price{Eur(3)}}
			type look func(context.Context, string) (product.Drift, bool, error)
			for _, look := range []look{s.service.Check, s.service.Mend} {
				drift, found, err := look(t.Context(), sku)
				if diff := cmp.Diff(
					product.Drift{Row: row, Folded: whole},
					drift,
				); diff != "" || !found ||
					err != nil {
					t.Errorf("found %v, %v, (-want +got)\n%s", found, err, diff)
				}
			}
			s.want(t, whole)
			if _, found, err := s.service.Mend(t.Context(), sku); found || err != nil {
				t.Errorf("mended again: %v, %v", found, err)
			}
			if row.Version == 3 {
				return // it claims to be what the stream is at, and a change would trust it
			}
			sku, _ = broken()
			if _, err := s.service.Set(
				t.Context(),
				request(),
				sku,
				at(Eur(4)),
				product.Match{Version: row.Version + 7},
			); !errors.Is(
				err,
				product.ErrVersionMismatch,
			) {
				t.Errorf("at a version that it doesn't have: %v", err)
			}
			p := s.must(t, sku, at(Eur(4)), 3)
			s.want(t, p)
			if want := (product.Product{SKU: sku, Version: 4, Prices: []product.Price{Eur(4)}}); !cmp.Equal(p, want) {
				t.Errorf("changed to %+v, want %+v", p, want)
			}
		})
	}
	t.Run("of no events", func(t *testing.T) {
		sku, row := newSKU(), older
		row.SKU = sku
		if err := s.Rows.Mend(t.Context(), sku, row, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Rows.Mend(t.Context(), sku, row, 0); !errors.Is(err, es.ErrConflict) {
			t.Errorf("a row in the place of another: %v", err)
		}
		if err := s.Rows.Mend(t.Context(), sku, product.Product{}, 7); !errors.Is(err, es.ErrConflict) {
			t.Errorf("another row taken away: %v", err)
		}
		if drift, found, err := s.service.Mend(t.Context(), sku); !found || err != nil || drift.Folded.Known() {
			t.Errorf("found %v: %+v, %v", found, drift, err)
		}
		if _, err := s.service.Get(t.Context(), sku); !errors.Is(err, product.ErrNotFound) {
			t.Errorf("after that: %v", err)
		}
		s.must(t, sku, at(Eur(1)), 0)
	})
}

// flaky is the shop on a store that loses requests and answers.
func (s *shop) flaky() product.Service {
	hooked := &estest.Hooked{Store: s.Store}
	hooked.Before = func([]es.Commit) error {
		if rand.N(4) == 0 {
			return es.ErrUnavailable
		}
		return nil
	}
	hooked.After = func(a es.Appended, err error) (es.Appended, error) {
		if err == nil && rand.N(3) == 0 {
			return es.Appended{}, es.ErrUnavailable
		}
		return a, err
	}
	return product.New(product.Deps{Store: hooked, Clock: clock.System{}, Rows: s.Rows})
}

// insist sends a change again until its answer comes.
func insist(set func() (product.Product, error)) (product.Product, error) {
	for {
		if p, err := set(); !errors.Is(err, es.ErrUnavailable) {
			return p, err
		}
	}
}

func lostAnswers(t *testing.T, s *shop) {
	flaky := s.flaky()
	for range 10 {
		sku := newSKU()
		for version, want := range []product.Desired{at(Eur(1)), at(Eur(2)), withdrawn, at(Eur(3))} {
			req := request()
			p, err := insist(func() (product.Product, error) {
				return flaky.Set(t.Context(), req, sku, want, product.Match{Version: int64(version)})
			})
			if err != nil || p.Version != int64(version)+1 {
				t.Fatalf("%+v, %v", p, err)
			}
			s.want(t, p)
		}
	}
}

// together runs f n times at once.
func together(n int, f func(n int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// race: of changes that were decided on one version one is made, and each of the others is told.
func race(t *testing.T, s *shop) {
	sku := newSKU()
	for version := range int64(3) {
		const n = 8
		made := make([]product.Product, n)
		together(n, func(i int) {
			p, err := s.service.Set(
				context.Background(),
				request(),
				sku,
				at(Eur(100*version+int64(i))),
				product.Match{Version: version},
			)
			if err != nil && !errors.Is(err, product.ErrVersionMismatch) {
				t.Errorf("%d: %v", i, err)
			}
			made[i] = p
		})
		made = slices.DeleteFunc(made, func(p product.Product) bool { return !p.Known() })
		if len(made) != 1 || made[0].Version != version+1 {
			t.Fatalf("made: %+v", made)
		}
		s.want(t, made[0])
	}
}

// everything lets changes, repeats, reads and repairs go on at once, with lost answers. What is
// offered was a version's at some time, versions never go back, and in the end the rows are what
// the streams fold to.
func everything(t *testing.T, s *shop) {
	skus := []string{newSKU(), newSKU()}
	flaky := s.flaky()
	together(24, func(n int) {
		ctx, sku, seen := context.Background(), skus[n/4%len(skus)], int64(0)
		for range 5 {
			switch n % 4 {
			case 0: // the price of a version tells its number
				p, err := s.service.Get(ctx, sku)
				if err != nil && !errors.Is(err, product.ErrNotFound) {
					t.Errorf("get: %v", err)
				}
				req := request()
				_, err = insist(func() (product.Product, error) {
					return flaky.Set(ctx, req, sku, at(Eur(p.Version+1)), product.Match{Version: p.Version})
				})
				if err != nil && !errors.Is(err, product.ErrVersionMismatch) {
					t.Errorf("set: %v", err)
				}
			case 1:
				offers, err := s.service.Offers(ctx, skus, estest.Start)
				offer, found := offers[sku]
				if err != nil || !found && seen > 0 ||
					found && (offer.Version < seen || offer.Prices[0].Amount != offer.Version) {
					t.Errorf("offer %+v after version %d, %v", offer, seen, err)
				}
				seen = offer.Version
			case 2:
				if _, found, err := s.service.Mend(ctx, sku); err != nil && !errors.Is(err, es.ErrConflict) || found {
					t.Errorf("mended what was whole: %v, %v", found, err)
				}
			case 3:
				if _, err := s.service.List(ctx, false, "", 10); err != nil {
					t.Errorf("list: %v", err)
				}
			}
		}
	})
	for _, sku := range skus {
		version := int64(len(s.events(t, sku)))
		s.want(t, product.Product{SKU: sku, Version: version, Prices: []product.Price{Eur(version)}})
	}
}

// model compares the service, step by step, with a map.
func model(t *testing.T, s *shop) {
	rapid.Check(t, func(t *rapid.T) {
		skus, known := []string{newSKU(), newSKU(), newSKU()}, map[string]product.Product{}
		price := rapid.Custom(func(t *rapid.T) product.Price {
			p := rapid.SampledFrom([]product.Price{Eur(1), Eur(2), usd(1)}).Draw(t, "price")
			if minutes := rapid.IntRange(0, 3).Draw(t, "minutes"); minutes > 0 {
				p.ValidFrom = estest.Start.Add(time.Duration(minutes) * time.Minute)
			}
			return p
		})
		prices := rapid.SliceOfNDistinct(
			price,
			1,
			5,
			func(p product.Price) string { return p.Currency + p.ValidFrom.String() },
		)
		type sent struct {
			req     es.Request
			sku     string
			want    product.Desired
			version int64
		}
		var last sent
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				sku := rapid.SampledFrom(skus).Draw(t, "sku")
				was := known[sku]
				want := product.Desired{Withdrawn: rapid.IntRange(0, 3).Draw(t, "withdraw") == 0}
				if !want.Withdrawn {
					want.Prices = prices.Draw(t, "prices")
				}
				last = sent{
					request(),
					sku,
					want,
					rapid.SampledFrom([]int64{was.Version, was.Version, was.Version, 0, was.Version + 1}).
						Draw(t, "version"),
				}
				got, err := s.service.Set(
					context.Background(),
					last.req,
					sku,
					want,
					product.Match{Version: last.version},
				)
				if wantErr := refused(was, want, last.version); !errors.Is(err, wantErr) {
					t.Fatalf("set %+v at %d of %+v: %v, want %v", want, last.version, was, err, wantErr)
				}
				if err == nil {
					known[sku] = after(was, sku, want)
					if diff := cmp.Diff(known[sku], got); diff != "" {
						t.Fatalf("(-want +got)\n%s", diff)
					}
				}
			},
			"again": func(t *rapid.T) {
				if last.sku == "" {
					t.Skip("nothing was sent")
				}
				was, events := known[last.sku], len(s.events(t, last.sku))
				got, err := s.service.Set(
					context.Background(),
					last.req,
					last.sku,
					last.want,
					product.Match{Version: last.version},
				)
				if len(s.events(t, last.sku)) != events || err == nil && !cmp.Equal(got, was) {
					t.Fatalf("sent again it changes %+v into %+v, %v", was, got, err)
				}
			},
			"": func(t *rapid.T) {
				when := estest.Start.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "minutes")) * time.Minute)
				offers, err := s.service.Offers(context.Background(), skus, when)
				if err != nil {
					t.Fatal(err)
				}
				for _, sku := range skus {
					want, offered := known[sku].Offer(when)
					got, found := offers[sku]
					if found != offered || offered && !cmp.Equal(want, got) {
						t.Fatalf("offered %v %+v, want %v %+v", found, got, offered, want)
					}
				}
			},
		})
		for sku := range known {
			s.want(t, known[sku])
		}
	})
}

// refused is what the model says of a change.
func refused(was product.Product, want product.Desired, version int64) error {
	switch {
	case version != was.Version:
		return product.ErrVersionMismatch
	case want.Withdrawn && !was.Known():
		return product.ErrNotFound
	}
	return nil
}

// after is what the model makes of a change that is not refused.
func after(was product.Product, sku string, want product.Desired) product.Product {
	is := product.Product{
		SKU:       sku,
		Version:   was.Version,
		Withdrawn: want.Withdrawn,
		Prices:    slices.Clone(want.Prices),
	}
	slices.SortFunc(is.Prices, func(a, b product.Price) int {
		if a.Currency != b.Currency {
			return strings.Compare(a.Currency, b.Currency)
		}
		return a.ValidFrom.Compare(b.ValidFrom)
	})
	if !was.Known() || !cmp.Equal(was, is) {
		is.Version++
	}
	return is
}
