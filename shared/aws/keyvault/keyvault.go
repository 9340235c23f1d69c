// Package keyvault is the personal.Vault and personal.Eraser of the deployed program: each person
// has a data key of their own, wrapped by a KMS key, in a DynamoDB table that has no backups. The
// sealing itself is package personal's.
package keyvault

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/shop/personal"
)

// Updates is what an eraser needs of DynamoDB.
type Updates interface {
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
}

// Table is what the vault needs of DynamoDB.
type Table interface {
	Updates
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

// KMS is what the vault needs of the key management service.
type KMS interface {
	GenerateDataKey(
		context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options),
	) (*kms.GenerateDataKeyOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// The attributes of a row. One without wrapped is a key that was destroyed.
const (
	subjectAttr   = "subject"   // S, the partition key: the person's pseudonym
	wrappedAttr   = "wrapped"   // B: the data key as KMS gave it
	createdAtAttr = "createdAt" // S: RFC 3339
	erasedAtAttr  = "erasedAt"  // S: RFC 3339
	hashAttr      = "address"   // S: the keyed hash of the person's address of mail
	versionAttr   = "addressAt" // N: the version of the person's stream that it was of
)

// cachedKeys bounds the unwrapped keys that a process holds; each takes about a kilobyte.
const cachedKeys = 1000

// Vault is a personal.Vault and personal.Eraser. It is safe for concurrent use.
type Vault struct {
	Eraser
	table Table
	kms   KMS
	keyID string
	cache *cache
	rows  *rows
}

// Eraser is a personal.Eraser and nothing else: it can neither read nor make a key. It is safe for
// concurrent use.
type Eraser struct {
	table Updates
	name  string
	clock clock.Clock
}

// New makes a vault on the table with that name, under the KMS key with that id or ARN.
func New(table Table, kms KMS, name, keyID string) *Vault {
	return &Vault{
		Eraser: NewEraser(table, name), table: table, kms: kms, keyID: keyID,
		cache: newCache(cachedKeys), rows: newRows(cachedKeys),
	}
}

// NewEraser makes an eraser of the keys in the table with that name.
func NewEraser(table Updates, name string) Eraser {
	return Eraser{table: table, name: name, clock: clock.System{}}
}

// Enrol implements personal.Vault. It reads the row whatever was read before. The condition on the
// put lets one of two at once win; the other's key was never used.
func (v *Vault) Enrol(ctx context.Context, subject string) error {
	begun := v.rows.now()
	wrapped, found, err := v.row(ctx, subject)
	if err != nil {
		return err
	}
	if found {
		return enrolled(wrapped)
	}
	fresh, err := v.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &v.keyID, KeySpec: kmstypes.DataKeySpecAes256, EncryptionContext: encryptionContext(subject),
	})
	if err != nil {
		return fmt.Errorf("keyvault: make key of %s: %w", subject, dynamo.Failed(err))
	}
	key, err := personal.NewKey(fresh.Plaintext)
	if err != nil {
		return fmt.Errorf("keyvault: make key of %s: %w", subject, err)
	}
	_, err = v.table.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &v.name,
		Item: dynamo.Item{
			subjectAttr:   dynamo.S(subject),
			wrappedAttr:   dynamo.B(fresh.CiphertextBlob),
			createdAtAttr: v.now(),
		},
		ConditionExpression:                 aws.String("attribute_not_exists(#subject)"),
		ExpressionAttributeNames:            map[string]string{"#subject": subjectAttr},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if there, taken := dynamo.ConditionFailed(err); taken {
		return enrolled(wrappedOf(there))
	}
	if err != nil {
		return fmt.Errorf("keyvault: put key of %s: %w", subject, dynamo.Failed(err))
	}
	v.cache.put(cacheID(subject, fresh.CiphertextBlob), key)
	v.rows.put(subject, fresh.CiphertextBlob, begun)
	return nil
}

// enrolled is the answer where there is a row.
func enrolled(wrapped []byte) error {
	if len(wrapped) == 0 {
		return personal.ErrErased
	}
	return nil
}

// Seal implements personal.Vault.
func (v *Vault) Seal(ctx context.Context, subject, field string, plain []byte) (personal.Sealed, error) {
	key, err := v.key(ctx, subject)
	if err != nil {
		return "", err
	}
	return key.Seal(subject, field, plain), nil
}

// Open implements personal.Vault.
func (v *Vault) Open(ctx context.Context, subject, field string, sealed personal.Sealed) ([]byte, error) {
	key, err := v.key(ctx, subject)
	if err != nil {
		return nil, err
	}
	return key.Open(subject, field, sealed)
}

// Fingerprint implements personal.Vault.
func (v *Vault) Fingerprint(ctx context.Context, subject, text string) (string, error) {
	key, err := v.key(ctx, subject)
	if err != nil {
		return "", err
	}
	return key.Fingerprint(text), nil
}

// Erase implements personal.Eraser. The row stays, without the key and the hash of the address, so
// that Enrol makes no other for the same pseudonym.
func (e Eraser) Erase(ctx context.Context, subject string) error {
	_, err := e.table.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &e.name,
		Key:       rowKey(subject),
		UpdateExpression: aws.String(
			"REMOVE #wrapped, #hash, #version SET #erasedAt = if_not_exists(#erasedAt, :now)"),
		ExpressionAttributeNames: map[string]string{
			"#wrapped": wrappedAttr, "#hash": hashAttr, "#version": versionAttr, "#erasedAt": erasedAtAttr,
		},
		ExpressionAttributeValues: dynamo.Item{":now": e.now()},
	})
	if err != nil {
		return fmt.Errorf("keyvault: erase key of %s: %w", subject, dynamo.Failed(err))
	}
	return nil
}

// key gives the subject's key. The row is read consistently, and for the time personal.Remembered
// it is not read again: from then on a destroyed key is gone, everywhere. Unwrapped keys are
// remembered by their wrapped bytes. So one can only be met through a row that holds them, and
// needs no expiry of its own.
func (v *Vault) key(ctx context.Context, subject string) (personal.Key, error) {
	if wrapped, ok := v.rows.get(subject); ok {
		return v.unwrap(ctx, subject, wrapped)
	}
	begun := v.rows.now()
	wrapped, _, err := v.row(ctx, subject)
	if err != nil {
		return personal.Key{}, err
	}
	key, err := v.unwrap(ctx, subject, wrapped)
	if err == nil {
		v.rows.put(subject, wrapped, begun)
	}
	return key, err
}

// unwrap gives the key of what a row has: personal.ErrErased where that is nothing.
func (v *Vault) unwrap(ctx context.Context, subject string, wrapped []byte) (personal.Key, error) {
	if len(wrapped) == 0 {
		return personal.Key{}, personal.ErrErased
	}
	id := cacheID(subject, wrapped)
	if key, ok := v.cache.get(id); ok {
		return key, nil
	}
	out, err := v.kms.Decrypt(
		ctx, &kms.DecryptInput{KeyId: &v.keyID, CiphertextBlob: wrapped, EncryptionContext: encryptionContext(subject)},
	)
	if err != nil {
		return personal.Key{}, fmt.Errorf("keyvault: unwrap key of %s: %w", subject, dynamo.Failed(err))
	}
	key, err := personal.NewKey(out.Plaintext)
	if err != nil {
		return personal.Key{}, fmt.Errorf("keyvault: unwrap key of %s: %w", subject, err)
	}
	v.cache.put(id, key)
	return key, nil
}

// row reads the subject's wrapped key: none where it was destroyed, and not found where there never
// was one.
func (v *Vault) row(ctx context.Context, subject string) (wrapped []byte, found bool, err error) {
	item, err := dynamo.Get(ctx, v.table, v.name, rowKey(subject))
	if err != nil {
		return nil, false, fmt.Errorf("keyvault: get key of %s: %w", subject, err)
	}
	return wrappedOf(item), len(item) > 0, nil
}

func wrappedOf(item dynamo.Item) []byte {
	return dynamo.Read(item).OptionalBytes(wrappedAttr)
}

func rowKey(subject string) dynamo.Item {
	return dynamo.Item{subjectAttr: dynamo.S(subject)}
}

// encryptionContext binds a wrapped key to its subject: KMS does not unwrap it out of another's
// row, and its audit trail names whose key it was.
func encryptionContext(subject string) map[string]string {
	return map[string]string{"subject": subject}
}

func (e Eraser) now() types.AttributeValue {
	return dynamo.S(e.clock.Now().UTC().Format(time.RFC3339))
}
