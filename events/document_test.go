package events_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// payloads are the schemas of the messages in a channel of the AsyncAPI document, by their names
// there.
type payloads map[string]*jsonschema.Schema

// fits names the messages of the channel that a body is, by the document's word.
func (p payloads) fits(t *testing.T, body []byte) (names []string) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name].Validate(value) == nil {
			names = append(names, name)
		}
	}
	return names
}

// channels are those of the document, by their addresses in the stack orderflow.
func channels(t *testing.T) map[string]payloads {
	t.Helper()
	text, err := os.ReadFile("asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var whole any
	var document struct {
		Channels map[string]struct {
			Address  string                       `yaml:"address"`
			Messages map[string]map[string]string `yaml:"messages"`
		} `yaml:"channels"`
		Components struct {
			Messages map[string]struct {
				Examples []struct {
					Payload any `yaml:"payload"`
				} `yaml:"examples"`
			} `yaml:"messages"`
		} `yaml:"components"`
	}
	for _, into := range []any{&whole, &document} {
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if whole, err = jsonschema.UnmarshalJSON(bytes.NewReader(plain)); err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("file:///asyncapi.json", whole); err != nil {
		t.Fatal(err)
	}
	all := map[string]payloads{}
	for _, c := range document.Channels {
		of := payloads{}
		for name, m := range c.Messages {
			if of[name], err = compiler.Compile("file:///asyncapi.json" + m["$ref"] + "/payload"); err != nil {
				t.Fatal(err)
			}
			examples := document.Components.Messages[strings.TrimPrefix(m["$ref"], "#/components/messages/")].Examples
			if len(examples) == 0 {
				t.Errorf("%s has no example", m["$ref"])
			}
			for _, example := range examples {
				body, err := json.Marshal(example.Payload)
				if err != nil {
					t.Fatal(err)
				}
				if value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body)); err != nil ||
					of[name].Validate(value) != nil {
					t.Errorf("the example of %s is none: %v, %v", m["$ref"], err, of[name].Validate(value))
				}
			}
		}
		all[strings.Replace(c.Address, "{stack}", "orderflow", 1)] = of
	}
	return all
}

// What lies in each queue is what the document says of its channel: the sample invocations, which
// are as SQS hands them over, fit one message of their channel each, and those of the poison
// samples that are at fault fit none.
func TestDocumentSaysWhatLiesInTheQueues(t *testing.T) {
	all := channels(t)
	files, err := filepath.Glob("samples/invoke/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{"orderflow-orders": true} // the bus, which invokes nobody
	for _, file := range files {
		var batch events.SQSEvent
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(text, &batch) != nil || len(batch.Records) == 0 { // of another kind
			continue
		}
		arn := batch.Records[0].EventSourceARN
		address := arn[strings.LastIndexByte(arn, ':')+1:]
		channel, ok := all[address]
		if !ok {
			continue
		}
		seen[address] = true
		unfit := 0
		for _, record := range batch.Records {
			switch names := channel.fits(t, []byte(record.Body)); len(names) {
			case 0:
				unfit++
			case 1:
			default:
				t.Errorf("%s: message %s is each of %v", file, record.MessageId, names)
			}
		}
		if want := strings.HasSuffix(file, "-poison.json"); want != (unfit > 0) {
			t.Errorf("%s: %d of %d messages fit no message of the channel", file, unfit, len(batch.Records))
		}
	}
	for address := range all {
		if !seen[address] {
			t.Errorf("no sample invocation comes from %s", address)
		}
	}
}
