package httpapi

//go:generate go test . -run TestOpenAPIDocument -update

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/clock"
)

const about = `Orders of a shop, from placing to delivery or to a clean undo. An order that is confirmed is prepared by
itself. The carrier or an operator reports dispatch and delivery to its shipment, and the order follows.

Amounts are whole minor units of an ISO 4217 currency. Every POST carries an Idempotency-Key and may be sent again.

A query parameter or a header is given once and is not empty; an unknown query parameter is refused. Numbers are
decimal digits: 010, +5, 1.0 and 1e2 are refused. In JSON no name stands twice in an object, and null is no value.

Every failure is an application/problem+json document whose code is for programs. What API Gateway answers by
itself is application/json, {"message": …}: 401 for a token that it does not trust, 403, 404 for an unknown path,
413, 429, and 500 or 503 where no function answered. Every answer of a function carries X-Correlation-ID; a client
may send its own.`

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
						Description: "A token of the stack's issuer. Customers see and move their own things only; " +
							"operators have the scope " + auth.OperatorScope +
							", and carriers, who see and move shipments only, the scope " + auth.CarrierScope +
							". A pricing system has the scope " + auth.PricingScope +
							": it reads the catalogue, places orders at prices " +
							"that it names, and does nothing else; an operator who has it as well names prices too.",
					},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": strictJSON, "application/problem+json": strictJSON},
		DefaultFormat: "application/json",
	}
}

// document serves the description of both sides. It tells nothing that is not public.
func (s *server) document() {
	const pattern = http.MethodGet + " /openapi.json"
	render := sync.OnceValues(func() ([]byte, error) { return json.Marshal(describe(s.edge.auth).OpenAPI()) })
	s.edge.access[pattern] = accessOpen
	s.edge.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		text, err := render()
		if err != nil {
			problemOf(r.Context(), s.edge.log, err).write(w)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		_, _ = w.Write(text) // into a buffer
	})
}

// OpenAPI describes the commands and the queries in one document, as YAML.
func OpenAPI(auth Auth) ([]byte, error) { return describe(auth).OpenAPI().YAML() }

// describe registers every operation on one API that nobody calls.
func describe(auth Auth) huma.API {
	s := newServer(auth, clock.System{}, nil)
	s.commands(Commands{})
	s.deadLetterCommands(Commands{})
	s.queries(Queries{})
	s.deadLetterQueries(Queries{})
	schemas := s.api.OpenAPI().Components.Schemas.Map()
	listCurrencies(schemas)
	refine(schemas)
	gateway := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[gatewayAnswer](), true, "")
	describeGateway(s.api.OpenAPI(), gateway)
	for name, schema := range schemas {
		if strings.HasSuffix(name, "Answer") || name == "Problem" {
			// an answer may gain fields; a client passes over those that it doesn't know
			schema.AdditionalProperties = nil
		}
	}
	return s.api
}
