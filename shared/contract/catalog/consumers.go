package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"orderflow/shared/contract"
)

// The tags of a queue that say which consumer it is, and whether events may be replayed to it.
const (
	consumerTag = "orderflow:consumer"
	replayTag   = "orderflow:replay"
)

// stackName stands before the names of a stack's resources.
const stackName = "${AWS::StackName}"

// consumer is a queue behind rules of the bus, as the template has it.
type consumer struct {
	Name        string // of the function that takes from the queue
	Queue       string // "{stack}-start-saga"
	DeadLetters string // "{stack}-start-saga-dlq"
	Replay      string // "allowed" or "never"
	Receives    []receipt
}

// receipt is an event that a consumer receives.
type receipt struct {
	Type    string
	Version int
	Why     string // the rule's description
	Only    string // what the rule wants of the event besides, as JSON; "" where it takes each
}

// resource is a resource of a CloudFormation template.
type resource struct {
	Type       string    `yaml:"Type"`
	Properties yaml.Node `yaml:"Properties"`
}

// rule is what counts here of the properties of an AWS::Events::Rule.
type rule struct {
	Description  string `yaml:"Description"`
	EventPattern struct {
		DetailType []string       `yaml:"detail-type"`
		Detail     map[string]any `yaml:"detail"`
	} `yaml:"EventPattern"`
	Targets []struct {
		Arn string `yaml:"Arn"`
	} `yaml:"Targets"`
}

// tag is a tag of a resource.
type tag struct {
	Key   string `yaml:"Key"`
	Value string `yaml:"Value"`
}

// queue is what counts here of the properties of an AWS::SQS::Queue.
type queue struct {
	Name          string `yaml:"QueueName"`
	Tags          []tag  `yaml:"Tags"`
	RedrivePolicy struct {
		DeadLetterTargetArn string `yaml:"deadLetterTargetArn"`
	} `yaml:"RedrivePolicy"`
}

func (q queue) tagged(key string) string {
	for _, t := range q.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// consumers reads out of the template who receives which event. Intrinsic functions are taken by
// their text: !GetAtt StartSagaQueue.Arn names StartSagaQueue.
func consumers(template []byte) ([]consumer, error) {
	var whole struct {
		Resources map[string]resource `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(template, &whole); err != nil {
		return nil, fmt.Errorf("catalog: template: %w", err)
	}
	queues := map[string]queue{}
	for id, r := range whole.Resources {
		if r.Type != "AWS::SQS::Queue" {
			continue
		}
		var q queue
		if err := r.Properties.Decode(&q); err != nil {
			return nil, fmt.Errorf("catalog: template: %s: %w", id, err)
		}
		q.Name = strings.Replace(q.Name, stackName, "{stack}", 1)
		queues[id] = q
	}
	byQueue := map[string]*consumer{}
	for id, r := range whole.Resources {
		if r.Type != "AWS::Events::Rule" {
			continue
		}
		var of rule
		if err := r.Properties.Decode(&of); err != nil {
			return nil, fmt.Errorf("catalog: template: %s: %w", id, err)
		}
		receives, err := of.receives()
		if err != nil {
			return nil, fmt.Errorf("catalog: template: %s: %w", id, err)
		}
		for _, t := range of.Targets {
			to := referred(t.Arn)
			q := queues[to]
			// nobody's consumer, or one of what is no contract, such as an audit's own probes
			if q.tagged(consumerTag) == "" || len(receives) == 0 {
				continue
			}
			if byQueue[to] == nil {
				byQueue[to] = &consumer{
					Name: q.tagged(consumerTag), Queue: q.Name, Replay: q.tagged(replayTag),
					DeadLetters: queues[referred(q.RedrivePolicy.DeadLetterTargetArn)].Name,
				}
			}
			byQueue[to].Receives = append(byQueue[to].Receives, receives...)
		}
	}
	all := make([]consumer, 0, len(byQueue))
	for _, c := range byQueue {
		slices.SortFunc(c.Receives, func(a, b receipt) int {
			return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Why, b.Why))
		})
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b consumer) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// receives lists what a rule delivers.
func (r rule) receives() ([]receipt, error) {
	wanted := map[string]bool{}
	only := map[string]any{}
	for field, condition := range r.EventPattern.Detail {
		if list, ok := condition.([]any); ok && field == "dataversion" {
			for _, v := range list {
				wanted[fmt.Sprint(v)] = true
			}
			continue
		}
		only[field] = condition
	}
	text := ""
	if len(only) > 0 {
		b, err := json.Marshal(only)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	var all []receipt
	for _, t := range contract.Types() {
		if t.Published && slices.Contains(r.EventPattern.DetailType, t.Name) && wanted[fmt.Sprint(t.Version)] {
			all = append(all, receipt{Type: t.Name, Version: t.Version, Why: r.Description, Only: text})
		}
	}
	return all, nil
}

// referred is the resource that !GetAtt names.
func referred(attribute string) string {
	id, _, _ := strings.Cut(attribute, ".")
	return id
}
