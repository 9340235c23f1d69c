package console

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"orderflow/shared/shop/money"
)

type schema struct {
	Ref        string            `yaml:"$ref"`
	Properties map[string]schema `yaml:"properties"`
	Items      *schema           `yaml:"items"`
}

// TestAnswers: every field that a page reads is one that the API's document describes. Elsewhere a
// field that the API renames would just be missing on a page.
func TestAnswers(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct{ Schemas map[string]schema }
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	schemas := document.Components.Schemas
	read := 0
	var check func(at string, is reflect.Type, s schema)
	check = func(at string, is reflect.Type, s schema) {
		if s.Ref != "" {
			s = schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		}
		for is.Kind() == reflect.Pointer {
			is = is.Elem()
		}
		switch {
		case is == reflect.TypeFor[time.Time](), is == reflect.TypeFor[json.RawMessage](),
			is == reflect.TypeFor[money.Money](), is.Kind() == reflect.Map:
		case is.Kind() == reflect.Slice:
			if s.Items == nil {
				t.Errorf("%s is no list in the document", at)
				return
			}
			check(at+"[]", is.Elem(), *s.Items)
		case is.Kind() == reflect.Struct:
			for i := range is.NumField() {
				name, _, _ := strings.Cut(is.Field(i).Tag.Get("json"), ",")
				of, there := s.Properties[name]
				if !there {
					t.Errorf("the document doesn't describe %s.%s", at, name)
					continue
				}
				read++
				check(at+"."+name, is.Field(i).Type, of)
			}
		}
	}
	for name, is := range map[string]reflect.Type{
		"ListOrdersAnswer": reflect.TypeFor[orderList](), "OrderAnswer": reflect.TypeFor[orderState](),
		"HistoryAnswer": reflect.TypeFor[history](), "DeadLettersAnswer": reflect.TypeFor[letterList](),
		"DailyAnswer": reflect.TypeFor[figures](), "StockAnswer": reflect.TypeFor[stockLevel](),
		"EffectsAnswer":    reflect.TypeFor[effectList](),
		"ExecutionsAnswer": reflect.TypeFor[executionList](),
		"ProductAnswer":    reflect.TypeFor[product](), "ProductsAnswer": reflect.TypeFor[productList](),
		"ProductHistoryAnswer": reflect.TypeFor[productHistory](), "StockHistoryAnswer": reflect.TypeFor[stockCounts](),
		"WaitlistAnswer": reflect.TypeFor[waitlist](), "ListCustomersAnswer": reflect.TypeFor[customerList](),
		"PersonAnswer": reflect.TypeFor[person](), "StatisticsAnswer": reflect.TypeFor[statistics](),
		"AccountAnswer": reflect.TypeFor[accountState](), "StatementAnswer": reflect.TypeFor[statement](), "ViewsAnswer": reflect.TypeFor[viewList](),
		"AuditAnswer": reflect.TypeFor[auditState](), "AlarmsAnswer": reflect.TypeFor[alarmList](),
		"MinutesAnswer": reflect.TypeFor[minuteList](), "DepthsAnswer": reflect.TypeFor[depths](),
		"CostAnswer": reflect.TypeFor[orderCosts](), "Problem": reflect.TypeFor[Problem](),
	} {
		check(name, is, schemas[name])
	}
	if read < 160 {
		t.Errorf("only %d fields were compared", read)
	}
}
