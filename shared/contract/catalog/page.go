package catalog

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/contract"
)

// Page is the browsable catalogue's path under events/.
const Page = "../docs/events.html"

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// field is a line of a schema's table.
type field struct {
	Path        string // "lines[].sku"
	Type        string
	Required    bool
	Rules       []string // "at least 1"
	Description string
}

// section is a type in one version, or a command, as the page shows it.
type section struct {
	ID, Name, Context, Status, Description string
	Version                                int
	Source, Subject, DataSchema            string
	Deprecated, Until                      string
	Schema, Sample                         string // where they stand, from the page
	Fields                                 []field
	Example                                string
	Consumers                              []pageConsumer
	Others                                 []string // ids of the sections of its other versions
}

type pageConsumer struct {
	Name, Queue, DeadLetters, Why, Only string
	Replay                              bool
}

// page renders the browsable catalogue: one file that needs no other.
func page(types []contract.Type, receivers []consumer) ([]byte, error) {
	var sections []section
	contexts := map[string][]section{}
	for _, t := range types {
		s := section{
			ID: messageName(t.Name, t.Version), Name: t.Name, Context: t.Context, Status: string(t.Status()),
			Description: t.Description, Version: t.Version,
			Source: t.Source(), Subject: t.Subject, DataSchema: t.DataSchema(), Deprecated: t.Deprecated,
			Until:  t.Until,
			Schema: "../events/" + SchemaPath(t), Sample: "../events/" + SamplePath(t),
		}
		root, definitions := t.Schema()
		s.Fields = fields(t.Data(), root, definitions, "")
		if t.Published {
			text, err := sample(t)
			if err != nil {
				return nil, err
			}
			s.Example = string(text)
		}
		for _, c := range receivers {
			for _, r := range c.Receives {
				if r.Type == t.Name && r.Version == t.Version {
					s.Consumers = append(
						s.Consumers,
						pageConsumer{
							Name: c.Name, Queue: c.Queue, DeadLetters: c.DeadLetters, Why: r.Why, Only: r.Only,
							Replay: c.Replay == "allowed",
						},
					)
				}
			}
		}
		for _, other := range types {
			if other.Name == t.Name && other.Version != t.Version {
				s.Others = append(s.Others, messageName(other.Name, other.Version))
			}
		}
		sections = append(sections, s)
		contexts[t.Context] = append(contexts[t.Context], s)
	}
	command, err := commandSection()
	if err != nil {
		return nil, err
	}
	type group struct {
		Name     string
		Sections []section
	}
	var groups []group
	for _, s := range sections {
		if !slices.ContainsFunc(groups, func(g group) bool { return g.Name == s.Context }) {
			groups = append(groups, group{s.Context, contexts[s.Context]})
		}
	}
	slices.SortFunc(groups, func(a, b group) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	err = pageTemplate.Execute(&b, struct {
		Groups        []group
		Command       section
		Attributes    []attribute
		Consumers     []consumer
		Count         int
		SupportMonths int
	}{groups, command, attributes, receivers, len(sections), contract.SupportMonths})
	return b.Bytes(), err
}

func commandSection() (section, error) {
	definitions := huma.NewMapRegistry(schemas, huma.DefaultSchemaNamer)
	data := reflect.TypeFor[contract.InventoryCommand]()
	s := huma.SchemaFromType(definitions, data)
	text, err := indent(sampleCommand("reserve.stock"))
	return section{Fields: fields(data, s, definitions, ""), Example: string(text)}, err
}

// fields lists what a schema says, property by property in the order of the Go type, each followed
// by what is inside of it.
func fields(t reflect.Type, s *huma.Schema, definitions huma.Registry, before string) (all []field) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		p := s.Properties[name]
		if p == nil {
			continue
		}
		f := field{Path: before + name, Description: p.Description, Required: slices.Contains(s.Required, name)}
		shape, inner := p, t.Field(i).Type
		for {
			if shape.Ref != "" {
				shape = definitions.SchemaFromRef(shape.Ref)
			}
			f.Rules = append(f.Rules, rulesOf(shape)...)
			if shape.Type != huma.TypeArray {
				break
			}
			f.Path, f.Type, shape, inner = f.Path+"[]", f.Type+"list of ", shape.Items, inner.Elem()
		}
		f.Type += shape.Type
		all = append(all, f)
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if shape.Type == huma.TypeObject && inner.Kind() == reflect.Struct {
			all = append(all, fields(inner, shape, definitions, f.Path+".")...)
		}
	}
	return all
}

// rulesOf says in words what a schema demands of a value beside its type.
func rulesOf(s *huma.Schema) (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		names := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			names[i] = fmt.Sprint(v)
		}
		add("one of %s", strings.Join(names, ", "))
	}
	if s.Minimum != nil {
		add("at least %v", *s.Minimum)
	}
	if s.Maximum != nil {
		add("at most %v", *s.Maximum)
	}
	if s.MinLength != nil && *s.MinLength == 1 {
		add("not empty")
	} else if s.MinLength != nil {
		add("at least %d characters", *s.MinLength)
	}
	if s.MaxLength != nil {
		add("at most %d characters", *s.MaxLength)
	}
	if s.MinItems != nil {
		add("at least %d of them", *s.MinItems)
	}
	if s.MaxItems != nil {
		add("at most %d of them", *s.MaxItems)
	}
	if s.Pattern != "" {
		add("matches %s", s.Pattern)
	}
	if s.Format != "" && s.Format != "int64" {
		add("%s", s.Format)
	}
	return all
}
