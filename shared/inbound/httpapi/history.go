package httpapi

import (
	"context"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
)

type eventAnswer struct {
	Sequence      int64          `json:"sequence" doc:"Position of the event in the order's stream, from 1"`
	ID            string         `json:"id" doc:"Unique id of the event, the same in every place"`
	Type          string         `json:"type" example:"order.placed"`
	Time          time.Time      `json:"time"`
	CorrelationID string         `json:"correlationId,omitempty" doc:"Id shared by everything that one request caused"`
	CausationID   string         `json:"causationId,omitempty" doc:"Id of the direct cause of the event"`
	Actor         *actorAnswer   `json:"actor,omitempty" doc:"Who brought the event about; for operators"`
	Data          map[string]any `json:"data" doc:"Content of the event, without personal data"`
}

type actorAnswer struct {
	Kind string `json:"kind" doc:"customer, person, machine or system; operator, carrier or pricing in events of earlier releases, which name them by a pseudonym" example:"person"`
	ID   string `json:"id" doc:"The customer's id, the issuer's id of the person, the machine's client id, or the part of the program"`
}

// actorFor shows operators who acted. Others don't learn who works for the shop.
func actorFor(id identity, m es.Metadata) *actorAnswer {
	kind, who := m.Who()
	if kind == "" || !id.isOperator() {
		return nil
	}
	return &actorAnswer{Kind: kind, ID: who}
}

type historyAnswer struct {
	Events []eventAnswer `json:"events" doc:"Oldest first"`
}

type historyOutput struct {
	ETag string `header:"ETag"`
	Body historyAnswer
}

func (q Queries) getHistory(ctx context.Context, id identity, in *orderPath) (*historyOutput, error) {
	events, err := q.Orders.History(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	state, err := es.Fold(order.Decider.Initial(), order.Evolve, events)
	if err != nil {
		return nil, err
	}
	if !id.sees(state.CustomerID) {
		return nil, order.NotFound()
	}
	out := &historyOutput{Body: historyAnswer{Events: make([]eventAnswer, 0, len(events))}}
	for _, e := range events {
		out.ETag = etag(e.Version)
		if contract.Kept(e.Type) {
			continue
		}
		data, err := shownData(e)
		if err != nil {
			return nil, err
		}
		if !id.isOperator() {
			delete(data, "by") // as with the actor
		}
		out.Body.Events = append(out.Body.Events, eventAnswer{
			Sequence: e.Version, ID: e.ID(), Type: e.Type, Time: e.Time.UTC(), CorrelationID: e.Metadata.CorrelationID,
			CausationID: e.Metadata.CausationID, Actor: actorFor(id, e.Metadata), Data: data,
		})
	}
	return out, nil
}
