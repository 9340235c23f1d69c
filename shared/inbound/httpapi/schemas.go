package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/shipment"
)

// The forms of parameters that several operations take.
const (
	idPattern     = `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`
	cursorPattern = `^[A-Za-z0-9_-]+$`
	etagPattern   = `^"[1-9][0-9]{0,15}"$`
	anyPattern    = `^\*$`
)

// tighten gives what an operation takes its form, by what it is, in the document and for the check.
// huma reads ids in five spellings, of which a stream has one.
func tighten(op *huma.Operation, schemas huma.Registry) {
	for _, p := range op.Parameters {
		switch {
		case p.In == "query" && p.Name == "cursor":
			form(p.Schema, cursorPattern, "the next value of the previous page")
		case p.In == "header" && (p.Name == "If-Match" || p.Name == "If-None-Match" && op.Method == http.MethodGet):
			form(p.Schema, etagPattern, `one entity tag as in the ETag header, for example "3"`)
		case p.In == "header" && p.Name == "If-None-Match":
			form(p.Schema, anyPattern, "*")
		}
		ofID(p.Schema)
	}
	for _, body := range schemas.Map() {
		for _, property := range body.Properties {
			ofID(property)
			if property.Items != nil {
				ofID(property.Items)
			}
		}
	}
}

func ofID(s *huma.Schema) {
	if s.Format == "uuid" && s.Pattern == "" {
		form(s, idPattern, "a UUID in lower case")
	}
}

// form sets a pattern, and what is said of a text that does not match it.
func form(s *huma.Schema, pattern, says string) {
	s.Pattern, s.PatternDescription = pattern, says
	s.PrecomputeMessages()
}

// The forms that the contexts check by rules of their own, and answer with codes of their own. The
// document says them as patterns; a test holds both equal.
const (
	// linePattern is one line of text, without control characters.
	linePattern = `^[^\x00-\x1f\x7f-\x9f]*$`
	// textPattern is a line that is not blank. White space is Unicode's, in its very characters,
	// since RE2 and ECMA 262 have no escape in common for those above U+00FF. U+2028 and U+2029 are
	// not among it, because a YAML file can't hold them: the code alone refuses a text of nothing
	// else.
	textPattern = `^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0` +
		"\u1680\u2000-\u200a\u202f\u205f\u3000" + `][^\x00-\x1f\x7f-\x9f]*$`
)

// refine says in the document what the contexts refuse of a single field.
func refine(schemas map[string]*huma.Schema) {
	say := func(schema, property, pattern string) {
		if s := schemas[schema]; s != nil && s.Properties[property] != nil {
			s.Properties[property].Pattern = pattern
		}
	}
	for _, property := range []string{"recipient", "line1"} {
		say("Address", property, textPattern)
	}
	for _, property := range []string{"line2", "postalCode", "city", "state"} {
		say("Address", property, linePattern)
	}
	for name := range schemas {
		if strings.HasSuffix(name, "CustomerBody") {
			say(name, "name", textPattern)
			say(name, "email", customer.EmailPattern)
		}
	}
	say("FindCustomersBody", "email", customer.EmailPattern)
	for _, code := range shipment.Countries() {
		country := schemas["Address"].Properties["country"]
		country.Enum = append(country.Enum, code)
	}
	for _, s := range schemas {
		for _, property := range s.Properties {
			property.PatternDescription = "" // only for huma's messages
		}
	}
}

// gatewayAnswer is what API Gateway answers by itself, before a request reaches a function or when
// the function's answer doesn't reach it.
type gatewayAnswer struct {
	Message string `json:"message" example:"Too Many Requests" doc:"The HTTP status in words"`
}

// gatewayStatuses are those of such answers: no token or one that is not trusted, a token without
// the authorizer's scope, no such route, a body over 10 MB, more requests than the stage or the
// account takes, a function that failed, and one that is throttled or does not answer in time.
var gatewayStatuses = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge,
	http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// describeGateway puts API Gateway's own answers into the document, beside those of the operations.
func describeGateway(doc *huma.OpenAPI, schema *huma.Schema) {
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			for _, status := range gatewayStatuses {
				if status == http.StatusRequestEntityTooLarge && op.RequestBody == nil {
					continue
				}
				code := strconv.Itoa(status)
				if op.Responses[code] == nil {
					op.Responses[code] = &huma.Response{
						Description: http.StatusText(status) + ", by API Gateway",
						Content:     map[string]*huma.MediaType{},
					}
				}
				op.Responses[code].Content["application/json"] = &huma.MediaType{Schema: schema}
			}
			for _, p := range op.Parameters {
				if p.Schema != nil {
					p.Schema.PatternDescription = ""
				}
			}
		}
	}
}
