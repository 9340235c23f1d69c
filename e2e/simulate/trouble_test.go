//go:build e2e

package simulate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/eventbus"
	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

// trouble is what comes after an action, mostly nothing.
func (l *life) trouble(ctx context.Context, random *rand.Rand) error {
	what, of := random.IntN(12), random.Int()
	switch what {
	case 0:
		return l.killOne(random)
	case 1, 2:
		if o, ok := l.any(of); ok {
			return l.publishAgain(ctx, es.NewStreamID(order.Category, o.id))
		}
	case 3:
		if o, ok := l.any(of); ok {
			return l.publishAgain(ctx, es.NewStreamID(shipment.Category, shipment.ID(o.id, 1)))
		}
	case 4, 5:
		if o, ok := l.any(of); ok {
			return l.commandAgain(ctx, o)
		}
	case 6:
		if o, ok := l.any(of); ok {
			return l.replay(ctx, o)
		}
	}
	return nil
}

// any is some order.
func (l *life) any(n int) (o placed, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.orders) == 0 {
		return o, false
	}
	return l.orders[n%len(l.orders)], true
}

// killOne kills a function, whatever it is at.
func (l *life) killOne(random *rand.Rand) error {
	names, err := l.functions()
	maps.DeleteFunc(names, func(_ int, name string) bool { return name == "send-mails" || name == "" })
	if err != nil || len(names) == 0 {
		return err
	}
	pids := slices.Sorted(maps.Keys(names))
	pid := pids[random.IntN(len(pids))]
	killed, err := l.kill(pid)
	if killed {
		l.count("killed " + names[pid])
	}
	return err
}

func (l *life) store() (*dynamostore.Store, error) {
	table, err := l.Output("EventsTable")
	if err != nil {
		return nil, err
	}
	return dynamostore.New(dynamodb.NewFromConfig(l.Config()), table, contract.Registry()), nil
}

// publishAgain puts what a stream has on the bus once more, for all consumers.
func (l *life) publishAgain(ctx context.Context, stream es.StreamID) error {
	store, err := l.store()
	if err != nil {
		return err
	}
	bus, err := l.Output("BusName")
	if err != nil {
		return err
	}
	history, err := store.Load(ctx, stream, 0)
	if err != nil {
		return err
	}
	var envelopes []es.Envelope
	for _, e := range history.Events {
		versions, err := contract.Versions(e)
		if err != nil {
			return err
		}
		envelopes = append(envelopes, versions...)
	}
	for _, err := range eventbus.New(
		eventbridge.NewFromConfig(l.Config()), bus, clock.System{},
	).Put(ctx, envelopes) {
		if err != nil {
			return err
		}
		l.count("trouble: events published again")
	}
	return nil
}

// commandAgain sends the inventory the order's command once more, or ahead of time: nobody waits
// for the answer.
func (l *life) commandAgain(ctx context.Context, of placed) error {
	store, err := l.store()
	if err != nil {
		return err
	}
	h, err := store.Load(ctx, es.NewStreamID(order.Category, of.id), 0)
	if err != nil {
		return err
	}
	o, err := order.Decider.Fold(h)
	if err != nil || o.SagaID == "" || o.Approval == nil && len(o.HoldRules) > 0 {
		return err // no run has got as far as that
	}
	first, ok := h.Events[0].Data.(order.Placed)
	if !ok {
		return fmt.Errorf("order %s begins with %T", of.id, h.Events[0].Data)
	}
	command := contract.InventoryCommand{
		Version: contract.InventoryCommandVersion, Command: "reserve.stock", OrderID: of.id, Revision: o.StockRevision,
		SagaID: o.SagaID, CorrelationID: h.Events[0].Metadata.CorrelationID,
	}
	items := make([]goods.Item, len(first.Lines))
	for i, line := range first.Lines {
		items[i] = goods.Item{SKU: line.SKU, Quantity: line.Quantity}
	}
	for _, item := range goods.Sum(items) {
		command.Items = append(command.Items, contract.InventoryItem(item))
	}
	body, err := json.Marshal(command)
	if err != nil {
		return err
	}
	queue, err := l.Output("InventoryQueueUrl")
	if err != nil {
		return err
	}
	text := string(body)
	_, err = l.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &text})
	l.count("trouble: commands sent again")
	return err
}

// replay has consumers get the order's events once more, on the command line.
func (l *life) replay(ctx context.Context, of placed) error {
	_, status, err := l.run(ctx, "events", "replay", "--consumer", "start-saga", "--stream", "order/"+of.id)
	if err == nil {
		l.count("trouble: replays")
	}
	if status != 0 {
		l.count(fmt.Sprintf("trouble: replays that exit with %d", status))
	}
	return err
}
