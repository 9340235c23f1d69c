package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/decimal"
)

// correlationPattern is the form of a correlation id. It goes into events and logs as it stands.
const (
	correlationHeader  = "X-Correlation-ID"
	correlationPattern = `^[A-Za-z0-9._:-]{1,128}$`
)

var correlationForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(correlationPattern) })

// correlationParameter is what every operation takes. The document says it once.
const correlationParameter = "CorrelationID"

func describeCorrelation() *huma.Param {
	return &huma.Param{
		Name: correlationHeader, In: "header",
		Description: "Identifies the request in logs, events and answers. Generated if the client sends none.",
		Schema:      &huma.Schema{Type: huma.TypeString, Pattern: correlationPattern},
	}
}

// parameters are what an operation says that it takes besides its path and its body: the schema of
// each by its name.
type parameters struct{ query, header map[string]*huma.Schema }

func parametersOf(op *huma.Operation, schemas huma.Registry) parameters {
	p := parameters{query: map[string]*huma.Schema{}, header: map[string]*huma.Schema{}}
	for _, declared := range op.Parameters {
		schema := declared.Schema
		for schema != nil && schema.Ref != "" {
			schema = schemas.SchemaFromRef(schema.Ref)
		}
		switch declared.In {
		case "query":
			p.query[declared.Name] = schema
		case "header":
			p.header[declared.Name] = schema
		}
	}
	return p
}

// check is the one rule for the parameters of every operation. It refuses a query parameter that
// the operation does not declare, one that is repeated, of which somebody would have to choose one
// value, and one that is empty, which would count as absent. Numbers are decimal, without leading
// zeros or +. Then it writes the query anew, because huma has a parser of its own, which reads
// other texts in another way.
func (p parameters) check(r *http.Request) (errs []error) {
	refuse := func(location, message string) {
		errs = append(errs, &huma.ErrorDetail{Location: location, Message: message})
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse("query", "expected name=value pairs between &, percent-encoded; a ; is written %3B")
		return errs
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		schema, declared := p.query[name]
		values, location := query[name], "query."+name
		switch {
		case !declared:
			refuse(location, "unknown query parameter")
		case len(values) > 1:
			refuse(location, "expected one value, got "+strconv.Itoa(len(values)))
		case values[0] == "":
			refuse(location, "the value is missing; omit the parameter instead")
		case !utf8.ValidString(values[0]):
			refuse(location, "expected UTF-8")
		case schema.Type == huma.TypeInteger && !decimal.IsWhole(values[0]):
			refuse(location, "expected a whole number in decimal digits")
		case schema.Type == huma.TypeBoolean && values[0] != "true" && values[0] != "false":
			refuse(location, "expected true or false")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.header)) {
		// API Gateway joins a repeated header with commas; the proxy splits each header at commas.
		switch values := r.Header.Values(name); {
		case len(values) > 1:
			refuse("header."+name, "expected one value without a comma")
		case len(values) == 1 && values[0] == "":
			refuse("header."+name, "the value is missing; omit the header instead")
		}
	}
	if values := r.Header.Values(correlationHeader); len(values) > 0 && !correlated(values) {
		refuse("header."+correlationHeader, "expected one value of 1 to 128 letters, digits and . _ : -")
	}
	r.URL.RawQuery = query.Encode()
	return errs
}

// correlated reports whether a client sent a correlation id that can be used.
func correlated(values []string) bool {
	return len(values) == 1 && correlationForm().MatchString(values[0])
}
