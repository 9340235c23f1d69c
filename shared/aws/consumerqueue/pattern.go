package consumerqueue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
)

// maxAnswers is how many answers a pattern keeps; then it forgets them all. A pattern on order ids
// has one for each event, most on types a handful.
const maxAnswers = 10_000

// pattern is the pattern of a rule, which EventBridge itself evaluates (TestEventPattern). A
// pattern sees of an event only the fields that it names, so the answer for one event holds for
// every other that has the same values in those, and is asked for once.
type pattern struct {
	events EventsAPI
	rule   string
	text   string
	named  fields

	mu      sync.Mutex
	answers map[string]bool
}

// fields are the fields that a pattern names: each the fields inside of it, or nil where it is
// compared as a whole.
type fields map[string]fields

// mandatory are the fields that TestEventPattern wants of an event, whether a pattern names them or
// not.
var mandatory = []string{"version", "id", "detail-type", "source", "account", "time", "region", "resources"}

func newPattern(events EventsAPI, r Rule) (*pattern, error) {
	var tree map[string]any
	if err := json.Unmarshal([]byte(r.Pattern), &tree); err != nil {
		return nil, fmt.Errorf("%w: the pattern of rule %s is no JSON object: %w", ErrUnfit, r.Name, err)
	}
	p := &pattern{events: events, rule: r.Name, text: r.Pattern, named: fields{}, answers: map[string]bool{}}
	p.named.add(tree)
	return p, nil
}

// add takes in what a pattern names. An object in it leads inside of a field, anything else
// compares one; each alternative of $or names fields where it stands.
func (f fields) add(tree map[string]any) {
	for name, value := range tree {
		if alternatives, ok := value.([]any); ok && name == "$or" {
			for _, a := range alternatives {
				if sub, ok := a.(map[string]any); ok {
					f.add(sub)
				}
			}
		}
		sub, inside := value.(map[string]any)
		// A dotted name is also a way to write a path: the part before the dot is then compared as
		// a whole, to be on the safe side.
		if first, _, dotted := strings.Cut(name, "."); dotted {
			f[first] = nil
		}
		switch known, before := f[name]; {
		case !inside || before && known == nil:
			f[name] = nil
		default:
			if !before {
				f[name] = fields{}
			}
			f[name].add(sub)
		}
	}
}

// of takes from an event what f names. A list is taken as a whole, since a pattern looks at each of
// its elements.
func (f fields) of(event map[string]any) map[string]any {
	out := map[string]any{}
	for name, inside := range f {
		value, there := event[name]
		if !there {
			continue
		}
		if sub, ok := value.(map[string]any); ok && inside != nil {
			value = inside.of(sub)
		}
		out[name] = value
	}
	return out
}

// matches asks what EventBridge would answer for an event.
func (p *pattern) matches(ctx context.Context, event []byte) (bool, error) {
	var whole map[string]any
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber() // what is not compared here stays as it is written
	if err := d.Decode(&whole); err != nil {
		return false, fmt.Errorf("consumerqueue: %w", err)
	}
	seen := p.named.of(whole)
	key, err := json.Marshal(seen)
	if err != nil {
		return false, fmt.Errorf("consumerqueue: %w", err)
	}
	p.mu.Lock()
	answer, known := p.answers[string(key)]
	p.mu.Unlock()
	if known {
		return answer, nil
	}
	// What is sent is what the pattern sees, so that the answer can't depend on anything else.
	for _, name := range mandatory {
		seen[name] = whole[name]
	}
	if seen["detail"] == nil {
		seen["detail"] = map[string]any{}
	}
	text, err := json.Marshal(seen)
	if err != nil {
		return false, fmt.Errorf("consumerqueue: %w", err)
	}
	out, err := p.events.TestEventPattern(
		ctx, &eventbridge.TestEventPatternInput{Event: aws.String(string(text)), EventPattern: &p.text},
	)
	if err != nil {
		return false, fmt.Errorf("consumerqueue: test the pattern of rule %s: %w", p.rule, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) >= maxAnswers {
		clear(p.answers)
	}
	p.answers[string(key)] = out.Result
	return out.Result, nil
}
