package httpapi

import (
	"context"
	"fmt"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/ops/effects"
	"orderflow/shared/shop/personal"
)

type attemptAnswer struct {
	Kind     string              `json:"kind" enum:"payment,reservation,shipment"`
	ID       string              `json:"id"`
	Revision int64               `json:"revision" doc:"The revision of the order that the attempt is for"`
	Events   []effectEventAnswer `json:"events" doc:"Oldest first"`
}

type effectEventAnswer struct {
	Sequence int64          `json:"sequence" doc:"Position of the event in the attempt's stream, from 1"`
	Type     string         `json:"type" example:"payment.processed"`
	Time     time.Time      `json:"time"`
	Data     map[string]any `json:"data" doc:"Content of the event, without personal data"`
}

type mailAnswer struct {
	About    string    `json:"about" doc:"Type of the order's event that the mail follows from" example:"order.confirmed"`
	Sequence int64     `json:"sequence" doc:"Of that event, in the order's stream"`
	Outcome  string    `json:"outcome" enum:"sent,refused,unknown" doc:"unknown while it is being sent, and if the sender died meanwhile"`
	Time     time.Time `json:"time" doc:"When it was last taken on"`
	Tries    int64     `json:"tries"`
	Why      string    `json:"why,omitempty" doc:"Why it was refused, without personal data"`
}

type effectsAnswer struct {
	Attempts []attemptAnswer `json:"attempts" doc:"Money, stock and parcels: of each kind, the attempts of the newest ten revisions, oldest first"`
	Mails    []mailAnswer    `json:"mails" doc:"Mails about the order, in the order of its events. A mail is known for 35 days."`
	Omitted  int             `json:"omitted,omitempty" doc:"Number of attempts at most that are left out"`
}

type effectsOutput struct{ Body effectsAnswer }

func (o Operations) getEffects(ctx context.Context, _ identity, in *orderPath) (*effectsOutput, error) {
	found, err := o.Effects.Of(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &effectsOutput{Body: effectsAnswer{
		Attempts: make([]attemptAnswer, len(found.Attempts)), Mails: make([]mailAnswer, len(found.Mails)),
		Omitted: found.Omitted,
	}}
	for i, a := range found.Attempts {
		if out.Body.Attempts[i], err = answerAttempt(a); err != nil {
			return nil, err
		}
	}
	for i, m := range found.Mails {
		out.Body.Mails[i] = mailAnswer{
			About: m.Event.Type, Sequence: m.Event.Version, Outcome: m.Outcome(), Time: m.Entry.Claimed.UTC(),
			Tries: m.Entry.Claims, Why: personal.Hide(m.Why()),
		}
	}
	return out, nil
}

func answerAttempt(a effects.Attempt) (attemptAnswer, error) {
	answer := attemptAnswer{
		Kind: a.Kind, ID: a.ID, Revision: a.Revision, Events: make([]effectEventAnswer, len(a.Events)),
	}
	for i, e := range a.Events {
		data, err := shownData(e)
		if err != nil {
			return answer, err
		}
		answer.Events[i] = effectEventAnswer{Sequence: e.Version, Type: e.Type, Time: e.Time.UTC(), Data: data}
	}
	return answer, nil
}

// shownData is the content of an event without what is sealed.
func shownData(e es.Recorded) (map[string]any, error) {
	shown, err := personal.Strip(e.Data)
	if err != nil {
		return nil, fmt.Errorf("httpapi: %s: %w", e.ID(), err)
	}
	data, ok := shown.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("httpapi: %s: a %T is no object", e.ID(), e.Data)
	}
	return data, nil
}
