//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
)

// moment is what an answer about the past says of itself.
type moment struct {
	Status    string      `json:"status"`
	Balance   money.Money `json:"balance"`
	Payment   *object     `json:"payment"`
	Version   int64       `json:"version"`
	ChangedAt string      `json:"changedAt"`
}

func asOf(path string, point any) string { return path + "?asOf=" + url.QueryEscape(fmt.Sprint(point)) }

// onceSettled asks about a time of the past, and again when that is settled: the API says when.
func onceSettled(t *testing.T, r request) answer {
	t.Helper()
	for {
		res := send(t, r)
		if res.status != http.StatusConflict {
			return res
		}
		refusal := decode[object](t, res.body)
		wait, err := strconv.Atoi(res.header.Get("Retry-After"))
		if refusal["code"] != "asof.not-settled" || err != nil || wait < 1 ||
			time.Duration(wait)*time.Second > es.Settled {
			t.Fatalf("not settled: %s", res)
		}
		select {
		case <-time.After(time.Duration(wait) * time.Second):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// An account's balance as of a version, which is told at once, and as of a time, which is told once
// it is settled.
func TestBalanceOfThePast(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	path := "/accounts/" + c.account
	before := must[moment](t, http.StatusOK, get(c.token, asOf(path, 1)))
	if before.Balance != usd(0) || before.Version != 1 {
		t.Errorf("as of version 1: %+v", before)
	}
	held := must[moment](t, http.StatusOK, get(c.token, asOf(path, 2)))
	must[movement](t, http.StatusCreated, post(c.token, path+"/withdrawals", object{"amount": usd(300)}))
	for point, want := range map[string]moment{
		held.ChangedAt: held, before.ChangedAt: before, "2": held, "3": {Balance: usd(700), Version: 3},
	} {
		answer := onceSettled(t, get(c.token, asOf(path, point)))
		got := decode[moment](t, answer.body)
		if got.Balance != want.Balance || got.Version != want.Version || got.ChangedAt == "" ||
			answer.header.Get("ETag") != "" {
			t.Errorf("as of %s: %s, want %+v", point, answer, want)
		}
	}
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	refused(t, http.StatusConflict, "asof.not-settled", get(c.token, asOf(path, tomorrow)))
	refused(t, http.StatusNotFound, "request.no-such-version", get(c.token, asOf(path, 4)))
	refused(t, http.StatusNotFound, "account.not-found", get(c.token, asOf(path, "2020-01-01T00:00:00Z")))
	refused(t, http.StatusBadRequest, "request.invalid", get(c.token, asOf(path, "yesterday")))
	refused(t, http.StatusNotFound, "account.not-found", get(newCustomer(t, 0).token, asOf(path, 1)))
}

// An order as it was when it was placed, after it is confirmed.
func TestOrderOfThePast(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	placed := c.place(t, line(newStock(t, 1), 1, 100))
	path := "/orders/" + placed.ID
	now := c.ends(t, placed.ID, "confirmed")
	then := must[moment](t, http.StatusOK, get(c.token, asOf(path, 1)))
	if then.Status != "placed" || then.Payment != nil || then.Version != 1 {
		t.Errorf("as of version 1: %+v", then)
	}
	if got := onceSettled(t, get(stack.operator, asOf(path, then.ChangedAt))); decode[moment](t, got.body) != then {
		t.Errorf("as of %s: %s, want %+v", then.ChangedAt, got, then)
	}
	if got := must[moment](t, http.StatusOK, get(c.token, asOf(path, now.Version))); got.Status != "confirmed" ||
		got.Payment == nil || got.Version != now.Version {
		t.Errorf("as of version %d: %+v", now.Version, got)
	}
}

// A long ledger leaves snapshots, which are used; broken by hand, they cost no more than a replay,
// and the next one mends them.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	store := dynamostore.New(stack.tables, stack.Outputs["EventsTable"], es.NewRegistry(account.Register))
	snapshots := dynamostore.NewSnapshots(stack.tables, stack.Outputs["SnapshotsTable"])
	ledger := account.New(account.Deps{
		Store: store, Clock: clock.System{}, Customers: accounttest.Everybody{}, Snapshots: snapshots,
	})
	stream := es.NewStreamID(account.Category, c.account)
	balance, version := int64(1_000), int64(2)
	growTo := func(end int64) {
		for ; version < end; version++ {
			req, key := es.Request{CommitID: ident.New(), Time: time.Now()}, fmt.Sprint(c.account, version)
			if _, err := ledger.Deposit(t.Context(), req, c.account, key, usd(1)); err != nil {
				t.Fatal(err)
			}
			balance++
		}
	}
	kept := func(atLeast int64) es.Snapshot {
		return eventually(t, fmt.Sprintf("a snapshot of %d events", atLeast), func() (es.Snapshot, bool) {
			s, found, err := snapshots.Newest(t.Context(), stream, account.Fold)
			return s, err == nil && found && s.Head.Version() >= atLeast
		})
	}
	state := func(s es.Snapshot) (a account.State) {
		if err := json.Unmarshal(s.State, &a); err != nil {
			t.Fatal(err)
		}
		return a
	}

	growTo(2*account.Every + 5)
	newest := kept(2 * account.Every)
	if got, want := state(newest).Balance, 1_000+newest.Head.Version()-2; got != want {
		t.Errorf("the snapshot of %d events holds %d, want %d", newest.Head.Version(), got, want)
	}
	key := item{
		"stream": &dynamodbtypes.AttributeValueMemberS{Value: string(stream)},
		"fold":   &dynamodbtypes.AttributeValueMemberS{Value: account.Fold},
	}
	raw, err := stack.tables.GetItem(
		t.Context(), &dynamodb.GetItemInput{TableName: aws.String(stack.Outputs["SnapshotsTable"]), Key: key},
	)
	if err != nil || len(raw.Item) == 0 {
		t.Fatalf("%v, %v", raw, err)
	}

	// One that lies, and is well formed, shows that each side of the API builds upon it.
	lie := state(newest)
	lie.Balance += 50_000
	if newest.State, err = json.Marshal(lie); err != nil {
		t.Fatal(err)
	}
	if err := snapshots.Replace(t.Context(), newest); err != nil {
		t.Fatal(err)
	}
	if got := c.balance(t); got != balance+50_000 {
		t.Errorf("the balance is %d, want the %d of the snapshot", got, balance+50_000)
	}
	withdraw := func() movement {
		return must[movement](
			t, http.StatusCreated, post(c.token, "/accounts/"+c.account+"/withdrawals", object{"amount": usd(1)}),
		)
	}
	balance, version = balance-1, version+1
	if got := withdraw(); got.Balance != usd(balance+50_000) {
		t.Errorf("a withdrawal leaves %+v, want %d", got, balance+50_000)
	}

	// One that somebody has changed is noticed.
	if _, err := stack.tables.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(stack.Outputs["SnapshotsTable"]), Key: key,
		UpdateExpression:          aws.String("SET #state = :state"),
		ExpressionAttributeNames:  map[string]string{"#state": "state"},
		ExpressionAttributeValues: item{":state": &dynamodbtypes.AttributeValueMemberS{Value: `{"balance":1}`}},
	}); err != nil {
		t.Fatal(err)
	}
	balance, version = balance-1, version+1
	if got := withdraw(); got.Balance != usd(balance) {
		t.Errorf("a withdrawal leaves %+v, want %d", got, balance)
	}
	if got := c.balance(t); got != balance {
		t.Errorf("the balance is %d, want %d", got, balance)
	}
	growTo(3 * account.Every)
	if got := state(kept(3 * account.Every)).Balance; got != balance {
		t.Errorf("mended, the snapshot holds %d, want %d", got, balance)
	}
	if past := must[moment](
		t, http.StatusOK, get(c.token, asOf("/accounts/"+c.account, 2)),
	); past.Balance != usd(1_000) {
		t.Errorf("as of version 2: %+v", past)
	}
}
