//go:build integration

package keyvault_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/keyvault"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/customer/customertest"
	"orderflow/shared/shop/personal"
)

// TestAddressesOnAWS runs the suite on a real table, store and KMS key.
func TestAddressesOnAWS(t *testing.T) {
	cfg := awstest.Config(t)
	tables, keys := dynamodb.NewFromConfig(cfg), kms.NewFromConfig(cfg)
	rows, index := awstest.Key("subject:S"), awstest.Key("address:S", "subject:S")
	rows.AttributeDefinitions = index.AttributeDefinitions
	rows.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
		IndexName: aws.String(keyvault.IndexByAddress), KeySchema: index.KeySchema,
		Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
	}}
	table := awstest.Table(t, rows)
	made, err := keys.CreateKey(
		t.Context(), &kms.CreateKeyInput{Description: aws.String(awstest.Unique(t, "personal-data"))},
	)
	if err != nil {
		t.Fatal(err)
	}
	vault := keyvault.New(tables, keys, table, *made.KeyMetadata.Arn)
	customertest.Run(t, customertest.Parts{
		Store: dynamostore.New(
			tables, awstest.Table(t, awstest.EventsTable()), es.NewRegistry(customer.Register)),
		Vault: vault, Eraser: vault, Addresses: vault.Addresses(tables),
	})
}

// TestOnAWS runs the vault on a real table and KMS key; each vault is a process of its own.
func TestOnAWS(t *testing.T) {
	ctx := t.Context()
	cfg := awstest.Config(t)
	tables, keys := dynamodb.NewFromConfig(cfg), kms.NewFromConfig(cfg)
	table := awstest.Table(t, awstest.Key("subject:S"))
	made, err := keys.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String(awstest.Unique(t, "personal-data"))})
	if err != nil {
		t.Fatal(err)
	}
	open := func() *keyvault.Vault { return keyvault.New(tables, keys, table, *made.KeyMetadata.Arn) }

	if _, err := open().Seal(ctx, "c1", "f", nil); !errors.Is(err, personal.ErrErased) {
		t.Errorf("seal for nobody: %v", err)
	}
	var wg sync.WaitGroup
	sealed, fingerprints := make([]personal.Sealed, 8), make([]string, 8)
	for i := range sealed {
		wg.Go(func() {
			v := open()
			if err := v.Enrol(ctx, "c1"); err != nil {
				t.Error(err)
			}
			var err error
			if sealed[i], err = v.Seal(ctx, "c1", "f", []byte("Ada")); err != nil {
				t.Error(err)
			}
			if fingerprints[i], err = v.Fingerprint(ctx, "c1", "Ada"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	reader := open()
	for _, s := range sealed {
		if plain, err := reader.Open(ctx, "c1", "f", s); err != nil || string(plain) != "Ada" {
			t.Fatalf("opened %q, %v: enrolments at once end with one key", plain, err)
		}
	}
	if fingerprints = slices.Compact(fingerprints); len(fingerprints) != 1 {
		t.Errorf("fingerprints of one text are %s", fingerprints)
	}

	// A wrapped key in another's row: KMS refuses it for the encryption context.
	row, err := tables.GetItem(
		ctx,
		&dynamodb.GetItemInput{
			TableName: &table,
			Key:       map[string]types.AttributeValue{"subject": &types.AttributeValueMemberS{Value: "c1"}},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	row.Item["subject"] = &types.AttributeValueMemberS{Value: "c2"}
	if _, err := tables.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: row.Item}); err != nil {
		t.Fatal(err)
	}
	var invalid *kmstypes.InvalidCiphertextException
	if _, err := reader.Open(ctx, "c2", "f", sealed[0]); !errors.As(err, &invalid) {
		t.Errorf("another's key: %v", err)
	}

	// A stream and the key of the one whose it is, in one request.
	type noted struct{ Text string }
	events := awstest.Table(t, awstest.EventsTable())
	store := dynamostore.New(tables, events, es.NewRegistry(func(r *es.Registry) { es.Register[noted](r, "noted", 1) }))
	beside := func(want int) personal.Opener {
		t.Helper()
		history, opener, err := reader.Beside(store).LoadWithKey(ctx, "customer/c1", "c1")
		if err != nil || len(history.Events) != want {
			t.Fatalf("%d events, %v", len(history.Events), err)
		}
		return opener
	}
	head := es.StoreHead("customer/c1", 0, 0, "")
	for n := range 3 {
		if plain, err := beside(n).Open(ctx, "f", sealed[0]); err != nil || string(plain) != "Ada" {
			t.Errorf("opened %q, %v, beside %d events", plain, err, n)
		}
		commit := es.Request{CommitID: fmt.Sprint(n), Time: time.Now()}.Commit(head, noted{"x"})
		appended, err := store.Append(ctx, []es.Commit{commit})
		if err != nil {
			t.Fatal(err)
		}
		head = appended.Heads[0]
	}

	if err := open().Erase(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	if _, err := beside(3).Open(ctx, "f", sealed[0]); !errors.Is(err, personal.ErrErased) {
		t.Errorf("open beside the stream after the erasure: %v", err)
	}
	// The reader has the key for a while, and Erase promises no more.
	tick, latest := time.NewTicker(100*time.Millisecond), time.Now().Add(personal.Remembered+time.Second)
	defer tick.Stop()
	for {
		_, err := reader.Open(ctx, "c1", "f", sealed[0])
		if errors.Is(err, personal.ErrErased) {
			break
		}
		if time.Now().After(latest) {
			t.Fatalf("open after the erasure: %v", err)
		}
		<-tick.C
	}
	if _, err := reader.Fingerprint(ctx, "c1", "Ada"); !errors.Is(err, personal.ErrErased) {
		t.Errorf("fingerprint after the erasure: %v", err)
	}
	if err := open().Enrol(ctx, "c1"); !errors.Is(err, personal.ErrErased) {
		t.Errorf("enrol after the erasure: %v", err)
	}
}
