// send-mails writes to customers: it sends the mail that follows from an event, at most once.
package main

import (
	"context"
	"net/mail"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/keyvault"
	sesmail "orderflow/shared/aws/mail"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/inboxtable"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/notification"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
)

func main() {
	awsenv.Logger()
	config, now := awsenv.Config(context.Background()), clock.System{}
	db := dynamodb.NewFromConfig(config)
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(order.Register, customer.Register))
	vault := keyvault.New(db, kms.NewFromConfig(config), awsenv.Env("KEYS_TABLE"), awsenv.Env("KEY_ID"))
	from := mail.Address{Name: awsenv.Env("SHOP_NAME"), Address: os.Getenv("MAIL_FROM")}
	set, stack := os.Getenv("MAIL_CONFIGURATION_SET"), awsenv.Env("STACK")
	notifier := notification.New(notification.Deps{
		Inbox:     inboxtable.New(db, awsenv.Env("INBOX_TABLE")),
		Orders:    order.New(order.Deps{Store: store, Clock: now}),
		Customers: wiring.Complete(customer.Contacts{Reader: vault.Beside(store)}),
		Mailer:    sesmail.New(sesmail.NewClient(config), now, from, set, stack),
		Clock:     now,
		Shop:      from.Name,
	})
	journal := deadletter.Journal{
		Table: deadlettertable.New(db, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: now,
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.SideBySide(queue.LiveOnly(func(ctx context.Context, m queue.Message) error {
		return notifier.Handle(ctx, notification.Delivery{Body: m.Body, TakeOver: m.TakeOver()})
	}), journal))
}
