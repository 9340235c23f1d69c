package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// headersOf lists the headers that the document's operations take and answer with, and their
// methods, in small letters.
func headersOf(t *testing.T, text string) (taken, answered, methods []string) {
	t.Helper()
	type parameter struct {
		Ref  string `yaml:"$ref"`
		In   string `yaml:"in"`
		Name string `yaml:"name"`
	}
	type operation struct {
		Parameters []parameter `yaml:"parameters"`
		Responses  map[string]struct {
			Headers map[string]any `yaml:"headers"`
		} `yaml:"responses"`
	}
	var document struct {
		Paths      map[string]map[string]operation `yaml:"paths"`
		Components struct {
			Parameters map[string]parameter `yaml:"parameters"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	for _, operations := range document.Paths {
		for method, op := range operations {
			methods = append(methods, method)
			for _, p := range op.Parameters {
				if name, shared := strings.CutPrefix(p.Ref, "#/components/parameters/"); shared {
					p = document.Components.Parameters[name]
				}
				if p.In == "header" {
					taken = append(taken, strings.ToLower(p.Name))
				}
			}
			for _, response := range op.Responses {
				for name := range response.Headers {
					answered = append(answered, strings.ToLower(name))
				}
			}
		}
	}
	return taken, answered, methods
}

// crossOrigin: pages of the allowed origins can do what the document describes, and no others.
func crossOrigin(t template, taken, answered, methods []string) (found findings) {
	choice, _ := at(t.prop("HttpApi", "CorsConfiguration"), "Fn::If").([]any)
	if len(choice) != 3 || choice[0] != "HasOrigins" || target(choice[2]) != "AWS::NoValue" {
		return append(found, "HttpApi is open to other origins where nobody asked for it")
	}
	if target(at(choice[1], "AllowOrigins")) != "AllowedOrigins" {
		found.addf("HttpApi is open to other origins than the parameter's")
	}
	if at(choice[1], "AllowCredentials") != nil {
		found.addf("HttpApi takes cookies from other origins")
	}
	for property, wanted := range map[string][]string{
		"AllowHeaders":  append(slices.Clone(taken), "authorization", "content-type"),
		"ExposeHeaders": append(slices.Clone(answered), "x-correlation-id"),
		"AllowMethods":  methods,
	} {
		listed, _ := at(choice[1], property).([]any)
		for _, name := range wanted {
			if !slices.ContainsFunc(listed, func(v any) bool { return strings.EqualFold(fmt.Sprint(v), name) }) {
				found.addf("HttpApi: %s lacks %s", property, name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestCrossOrigin(t *testing.T) {
	taken, answered, methods := headersOf(t, readFile(t, "docs/openapi.yaml"))
	if !slices.Contains(taken, "idempotency-key") || !slices.Contains(answered, "location") ||
		!slices.Contains(methods, "patch") {
		t.Errorf("the document has %q, %q and %q", taken, answered, methods)
	}
	// The code sets these on problems, which the document describes by their body.
	answered = append(answered, "retry-after", "www-authenticate")
	wantNone(t, crossOrigin(mainTemplate(t), taken, answered, methods))
}

func TestCrossOriginRulesFind(t *testing.T) {
	const api = `
Resources:
  HttpApi:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      CorsConfiguration: !If
        - HasOrigins
        - AllowOrigins: !Ref AllowedOrigins
          AllowMethods: [GET]
          AllowHeaders: [authorization, content-type, if-match]
          ExposeHeaders: [etag, x-correlation-id]
        - !Ref AWS::NoValue
`
	for name, tc := range map[string]edit{
		"good":          {"", "", ""},
		"another":       {"- HasOrigins", "- IsOpen", "where nobody asked"},
		"anybody":       {"!Ref AllowedOrigins", "['*']", "other origins than the parameter's"},
		"cookies":       {"AllowMethods", "AllowCredentials: true\n          AllowMethods", "takes cookies"},
		"no method":     {"[GET]", "[PUT]", "AllowMethods lacks get"},
		"no header":     {"if-match", "if-none-match", "AllowHeaders lacks if-match"},
		"no token":      {"authorization, ", "", "AllowHeaders lacks authorization"},
		"nothing shown": {"etag, ", "", "ExposeHeaders lacks etag"},
	} {
		t.Run(name, func(t *testing.T) {
			found := crossOrigin(tc.template(t, api), []string{"if-match"}, []string{"etag"}, []string{"get"})
			wantOne(t, found, tc.want)
		})
	}
}
