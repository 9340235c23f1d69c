package httpapi

//go:generate go test . -run TestOpenAPIDocument -update

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/clock"
)

const about = `Orders of a shop, from placing to delivery or to a complete undo. A confirmed order is prepared
automatically. The carrier or an operator reports dispatch and delivery of its shipment, and the order follows.

Amounts are whole minor units of an ISO 4217 currency. Every POST has an Idempotency-Key, and you may send it again.

A query parameter or a header occurs once and is not empty; an unknown query parameter is rejected. Numbers are
decimal digits: 010, +5, 1.0 and 1e2 are rejected. In JSON, an object has no duplicate names, and null is not a value.

Every error is an application/problem+json document with a code for programs. API Gateway's own answers are
application/json, {"message": …}: 401 for a token that it does not trust, 403, 404 for an unknown path, 413, 429, and
500 or 503 if no function answered. Every answer of a function has the header X-Correlation-ID; a client may send its
own.`

// config is huma's, without its documentation pages, its links to schemas and its negotiation:
// there is one form of answer.
func config(auth Auth) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "orderflow", Version: "1", Description: about,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas:    huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				Parameters: map[string]*huma.Param{correlationParameter: describeCorrelation()},
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"jwt": {
						Type: "http", Scheme: "bearer", BearerFormat: "JWT",
						Description: "A token from the stack's issuer. Customers read and change only what is " +
							"theirs. Operators have the scope " + auth.OperatorScope + ". Carriers have the scope " +
							auth.CarrierScope + " and read and change shipments only. A pricing system has the scope " +
							auth.PricingScope + ": it reads the catalogue, places orders at prices that it sets, and " +
							"does nothing else. An operator who also has this scope may set prices too.",
					},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": strictJSON, "application/problem+json": strictJSON},
		DefaultFormat: "application/json",
	}
}

// served is what Served makes: a function that made the document itself would link the commands
// for it.
//
//go:embed openapi.json
var served string

// placeholders are what the document has in the place of a stack's own scopes, and base in the
// place of the path that the API is at.
var placeholders = Auth{
	OperatorScope: "$OPERATOR_SCOPE$", CarrierScope: "$CARRIER_SCOPE$", PricingScope: "$PRICING_SCOPE$",
}

const base = "$BASE$"

// document serves the OpenAPI document of commands and queries. It has nothing that is not public.
func (s *server) document() {
	const pattern = http.MethodGet + " /openapi.json"
	var rendered sync.Map // by base path: the mapping's, and none
	render := func(at string) ([]byte, error) {
		if text, done := rendered.Load(at); done {
			return text.([]byte), nil //nolint:forcetypeassert // what is stored below
		}
		text, err := s.edge.auth.filled(at)
		if err == nil {
			rendered.Store(at, text)
		}
		return text, err
	}
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := render(baseOf(r.Context()))
		if err != nil {
			problemOf(r.Context(), s.edge.log, err).write(w)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		_, _ = w.Write(text) // into a buffer
	})
	s.routes = append(s.routes, Route{"getOpenApi", pattern})
	s.edge.add(pattern, accessOpen, func() (http.Handler, parameters) { return serve, parameters{} })
}

// filled is the document with what a stack has in the place of each placeholder.
func (a Auth) filled(at string) ([]byte, error) {
	var values []string
	for placeholder, value := range map[string]string{
		placeholders.OperatorScope: a.OperatorScope, placeholders.CarrierScope: a.CarrierScope,
		placeholders.PricingScope: a.PricingScope, base: cmp.Or(at, "/"),
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("httpapi: %q in the document: %w", value, err)
		}
		values = append(values, placeholder, string(text[1:len(text)-1]))
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(strings.NewReplacer(values...).Replace(served))); err != nil {
		return nil, fmt.Errorf("httpapi: the document: %w", err)
	}
	return compact.Bytes(), nil
}

// OpenAPI describes the commands and the queries in one document, as YAML.
func OpenAPI(auth Auth) ([]byte, error) {
	text, err := describe(auth).OpenAPI().YAML()
	return append([]byte("# Generated by `go generate ./shared/inbound/httpapi`.\n"), text...), err
}

// Served is the same as JSON with placeholders, of which each stack makes its own, a value a line.
func Served() ([]byte, error) {
	document := describe(placeholders).OpenAPI()
	document.Servers = []*huma.Server{{URL: base}}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("httpapi: the document: %w", err)
	}
	var lines bytes.Buffer
	err = json.Indent(&lines, append(text, '\n'), "", "")
	return lines.Bytes(), err
}

// describe mounts every operation on one API that nobody calls.
func describe(auth Auth) huma.API {
	s := newServer(auth, clock.System{}, nil)
	s.commands(Commands{})
	s.deadLetterCommands(Commands{})
	s.queries(Queries{})
	s.deadLetterQueries(Queries{})
	api := newAPI(http.NewServeMux(), auth, func(parameters) {})
	for _, mount := range s.mounts {
		mount(api)
	}
	schemas := api.OpenAPI().Components.Schemas.Map()
	listCurrencies(schemas)
	refine(schemas)
	gateway := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[gatewayAnswer](), true, "")
	describeGateway(api.OpenAPI(), gateway)
	for name, schema := range schemas {
		if strings.HasSuffix(name, "Answer") || name == "Problem" {
			// an answer may gain fields; clients ignore unknown ones
			schema.AdditionalProperties = nil
		}
	}
	return api
}
