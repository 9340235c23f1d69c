package keyvault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/personal"
)

// AddressAPI is what Addresses needs of DynamoDB: UpdateItem for Mend only, the others for Find.
type AddressAPI interface {
	Updates
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchGetItem(
		context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
}

// IndexByAddress is the index of the rows by the keyed hash of an address, and by subject.
const IndexByAddress = "by-address"

// addressKey is whose row in the table has the key of the hashes. No customer's id has a colon.
const addressKey = "lookup:address"

// errKeyDestroyed says that somebody took the key of the hashes out of its row: with another one no
// entry would be found any more.
var errKeyDestroyed = errors.New("keyvault: the key of the hashes of addresses is destroyed")

// pace of the requests for rows that a batch read left unprocessed.
var pace = backoff.Pace{
	Base: 20 * time.Millisecond, Max: 500 * time.Millisecond, Margin: 500 * time.Millisecond, Tries: 20,
}

// Addresses is a customer.Addresses in the rows of the vault's keys. A row has the HMAC-SHA-256 of
// its customer's address, under a key of its own that KMS wraps as it does all others, so that who
// has the table alone can neither read an address nor confirm a guess at one. Eraser takes it out
// of the row in the write that destroys the data key. It is safe for concurrent use.
type Addresses struct {
	vault *Vault
	api   AddressAPI
}

var _ customer.Addresses = Addresses{}

// Addresses finds customers in the vault's rows.
func (v *Vault) Addresses(api AddressAPI) Addresses { return Addresses{vault: v, api: api} }

// Give implements customer.Addresses.
func (a Addresses) Give(ctx context.Context, customerID, address string, version int64) (es.Effect, error) {
	hash, err := a.hash(ctx, address)
	if errors.Is(err, personal.ErrErased) { // nobody had an address yet
		if err = a.vault.Enrol(ctx, addressKey); err == nil {
			hash, err = a.hash(ctx, address)
		}
	}
	switch {
	case errors.Is(err, personal.ErrErased): // not the customer's
		return nil, errKeyDestroyed
	case err != nil:
		return nil, err
	}
	return give{table: a.vault.name, customer: customerID, hash: hash, version: version}, nil
}

// Mend implements customer.Addresses.
func (a Addresses) Mend(ctx context.Context, customerID, address string, version int64) error {
	effect, err := a.Give(ctx, customerID, address, version)
	if err != nil {
		return err
	}
	update := effect.(give).update()
	condition := *update.ConditionExpression + " AND (attribute_not_exists(#version) OR #version <= :version)"
	_, err = a.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: update.TableName, Key: update.Key, UpdateExpression: update.UpdateExpression,
		ConditionExpression: &condition, ExpressionAttributeNames: update.ExpressionAttributeNames,
		ExpressionAttributeValues: update.ExpressionAttributeValues,
	})
	if _, passed := dynamo.ConditionFailed(err); passed || err == nil {
		return nil
	}
	return fmt.Errorf("keyvault: note address of %s: %w", customerID, dynamo.Failed(err))
}

// Find implements customer.Addresses, with a query of the index and a consistent read of the rows
// that it names: the index may still have what a row has no more.
func (a Addresses) Find(
	ctx context.Context, address, after string, limit int,
) (customerIDs []string, next string, err error) {
	hash, err := a.hash(ctx, address)
	switch {
	case errors.Is(err, personal.ErrErased): // nobody has an address yet
		return nil, "", nil
	case err != nil:
		return nil, "", err
	}
	query := &dynamodb.QueryInput{
		TableName: &a.vault.name, IndexName: aws.String(IndexByAddress),
		Limit:                     aws.Int32(int32(min(limit, customer.MaxFound) + 1)), //nolint:gosec // small
		KeyConditionExpression:    aws.String("#hash = :hash"),
		ExpressionAttributeNames:  map[string]string{"#hash": hashAttr},
		ExpressionAttributeValues: dynamo.Item{":hash": dynamo.S(hash)},
	}
	if after != "" {
		query.KeyConditionExpression = aws.String("#hash = :hash AND #subject > :after")
		query.ExpressionAttributeNames["#subject"] = subjectAttr
		query.ExpressionAttributeValues[":after"] = dynamo.S(after)
	}
	var named []string
	for item, err := range dynamo.Query(ctx, a.api, query) {
		if err != nil {
			return nil, "", fmt.Errorf("keyvault: find an address: %w", err)
		}
		if len(named) == limit {
			next = named[limit-1]
			break
		}
		named = append(named, dynamo.Read(item).String(subjectAttr))
	}
	if customerIDs, err = a.who(ctx, named, hash); err != nil {
		return nil, "", err
	}
	return customerIDs, next, nil
}

// who gives those of the subjects whose rows have the hash.
func (a Addresses) who(ctx context.Context, subjects []string, hash string) (found []string, err error) {
	if len(subjects) == 0 {
		return nil, nil
	}
	keys := make([]dynamo.Item, len(subjects))
	for i, subject := range subjects {
		keys[i] = rowKey(subject)
	}
	rows, err := dynamo.BatchGet(ctx, a.api, a.vault.name, types.KeysAndAttributes{
		Keys: keys, ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("#subject, #hash"),
		ExpressionAttributeNames: map[string]string{"#subject": subjectAttr, "#hash": hashAttr},
	}, backoff.New(pace, a.vault.clock))
	if err != nil {
		return nil, fmt.Errorf("keyvault: read %d rows: %w", len(subjects), err)
	}
	has := map[string]bool{}
	for _, row := range rows {
		r := dynamo.Read(row)
		has[r.String(subjectAttr)] = r.OptionalString(hashAttr) == hash
	}
	for _, subject := range subjects {
		if has[subject] {
			found = append(found, subject)
		}
	}
	return found, nil
}

// hash is what stands for an address: personal.ErrErased where there is no key for it yet.
func (a Addresses) hash(ctx context.Context, address string) (string, error) {
	return a.vault.Fingerprint(ctx, addressKey, "address "+customer.Comparable(address))
}

// give is a dynamostore.Effect.
type give struct {
	table, customer, hash string
	version               int64
}

// EffectName implements es.Effect.
func (give) EffectName() string { return "note address" }

// TransactItems implements dynamostore.Effect.
func (g give) TransactItems() ([]types.TransactWriteItem, error) {
	return []types.TransactWriteItem{{Update: g.update()}}, nil
}

// Refusal implements dynamostore.Effect.
func (give) Refusal(reasons []types.CancellationReason) error {
	if dynamo.Refused(reasons[0]) {
		return personal.ErrErased
	}
	return nil
}

// update notes the hash in a row that has a key. Appends come in the order of their versions.
func (g give) update() *types.Update {
	return &types.Update{
		TableName: &g.table, Key: rowKey(g.customer),
		UpdateExpression:    aws.String("SET #hash = :hash, #version = :version"),
		ConditionExpression: aws.String("attribute_exists(#wrapped)"),
		ExpressionAttributeNames: map[string]string{
			"#hash": hashAttr, "#version": versionAttr, "#wrapped": wrappedAttr,
		},
		ExpressionAttributeValues: dynamo.Item{":hash": dynamo.S(g.hash), ":version": dynamo.N(g.version)},
	}
}
