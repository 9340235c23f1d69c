package archtest

import (
	"testing"

	"orderflow/shared/ops/scale"
)

// scales: the figures of the template are those that the calculator knows, and each has its place:
// none is written beside them.
func scales(t template, sizes map[string]scale.Size) (found findings) {
	byName := map[string]string{} // logical ids of functions
	for _, id := range t.ofType(serverlessFunction) {
		byName[functionName(t, id)] = id
	}
	for name, size := range sizes {
		figures := t.Mappings["Scale"][name]
		known := 0
		for kind, of := range map[string]map[string]int{
			"parallel": size.Parallel, "concurrent": size.Concurrent, "reserved": size.Reserved,
		} {
			for function, want := range of {
				key := functionKey(byName[function])
				if known++; numberAt(figures, key) != float64(want) {
					found.addf("%s: %s has %v of %s, and shared/ops/scale %d", name, key, figures[key], kind, want)
				}
				if !takesFigure(t, byName[function], kind, key) {
					found.addf("%s doesn't take its figure of the mapping Scale as what is %s", function, kind)
				}
			}
		}
		if known != len(figures) {
			found.addf("%s: the mapping Scale has %d figures, and shared/ops/scale %d", name, len(figures), known)
		}
	}
	if len(t.Mappings["Scale"]) != len(sizes) {
		found.addf("the mapping Scale has %d sizes, and shared/ops/scale %d", len(t.Mappings["Scale"]), len(sizes))
	}
	return found
}

// functionKey is a function's key in the mapping Scale: its logical id without the kind.
func functionKey(id string) string {
	const kind = "Function"
	if len(id) < len(kind) {
		return id
	}
	return id[:len(id)-len(kind)]
}

// assumed: the calculator takes batches and the API's rate as the template has them.
func assumed(t template, batches map[string]float64, streamBatch, apiRate float64) (found findings) {
	if rate := numberAt(t.Parameters["ApiRateLimit"], "Default"); rate != apiRate {
		found.addf("ApiRateLimit is %v by default, and shared/ops/scale takes %v", rate, apiRate)
	}
	known := 0
	for _, id := range t.ofType(serverlessFunction) {
		name := functionName(t, id)
		for _, e := range eventsOf(t, id, "DynamoDB") {
			if n := numberAt(e, "BatchSize"); n != streamBatch {
				found.addf("%s takes batches of %v, and shared/ops/scale %v", name, n, streamBatch)
			}
		}
		if batches[name] == 0 {
			continue
		}
		known++
		for _, e := range eventsOf(t, id, "SQS") {
			if n := numberAt(e, "BatchSize"); n != batches[name] {
				found.addf("%s takes batches of %v, and shared/ops/scale %v", name, n, batches[name])
			}
		}
	}
	if known != len(batches) {
		found.addf("shared/ops/scale knows %d functions with batches, of which %d are there", len(batches), known)
	}
	return found
}

func takesFigure(t template, id, kind, key string) bool {
	var values []any
	switch kind {
	case "parallel":
		for _, e := range eventsOf(t, id, "DynamoDB") {
			values = append(values, e["ParallelizationFactor"])
		}
	case "concurrent":
		for _, e := range eventsOf(t, id, "SQS") {
			values = append(values, at(e, "ScalingConfig", "MaximumConcurrency"))
		}
	default:
		branches, _ := at(t.prop(id, "ReservedConcurrentExecutions"), "Fn::If").([]any)
		if len(branches) != 3 || branches[0] != "ReservesConcurrency" || textAt(branches[2], "Ref") != "AWS::NoValue" {
			return false
		}
		values = branches[1:2]
	}
	for _, v := range values {
		of, _ := at(v, "Fn::FindInMap").([]any)
		if len(of) != 3 || of[0] != "Scale" || textAt(of[1], "Ref") != "Scale" || of[2] != key {
			return false
		}
	}
	return len(values) == 1
}

func TestScale(t *testing.T) {
	sizes, err := scale.Sizes()
	if err != nil {
		t.Fatal(err)
	}
	main := mainTemplate(t)
	wantNone(t, scales(main, sizes))
	wantNone(t, assumed(main, scale.BatchSizes(), scale.StreamBatch, scale.APIRate))
	// A first deployment must not fail: a new account can't reserve.
	if d := textAt(main.Parameters["Scale"], "Default"); sizes[d].Quota != 10 || sizes[d].ReservedAll() != 0 {
		t.Errorf("Scale is %q by default, which a new account does not take", d)
	}
}

func TestAssumedFinds(t *testing.T) {
	const text = `
Parameters:
  ApiRateLimit: {Type: Number, Default: 200}
Resources:
  PackFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/pack/, Events: {M: {Type: SQS, Properties: {BatchSize: 5}}}}
  ReadFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/read/, Events: {E: {Type: DynamoDB, Properties: {BatchSize: 100}}}}
`
	for name, tc := range map[string]edit{
		"good":            {"", "", ""},
		"another rate":    {"Default: 200", "Default: 300", "ApiRateLimit is 300"},
		"another batch":   {"BatchSize: 5}", "BatchSize: 6}", "pack takes batches of 6"},
		"of the stream":   {"BatchSize: 100", "BatchSize: 10", "read takes batches of 10"},
		"a function less": {"functions/pack/", "functions/play/", "of which 0 are there"},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, assumed(tc.template(t, text), map[string]float64{"pack": 5}, 100, 200), tc.want)
		})
	}
}

func TestScaleFinds(t *testing.T) {
	const text = `
Mappings:
  Scale:
    small: {Pack: 2, Read: 1, Serve: 0}
Resources:
  PackFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/pack/
      Events:
        M: {Type: SQS, Properties: {ScalingConfig: {MaximumConcurrency: !FindInMap [Scale, !Ref Scale, Pack]}}}
  ReadFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/read/
      Events:
        E: {Type: DynamoDB, Properties: {ParallelizationFactor: !FindInMap [Scale, !Ref Scale, Read]}}
  ServeFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/serve/
      ReservedConcurrentExecutions: !If [ReservesConcurrency, !FindInMap [Scale, !Ref Scale, Serve], !Ref 'AWS::NoValue']
`
	sizes := map[string]scale.Size{"small": {
		Parallel: map[string]int{"read": 1}, Concurrent: map[string]int{"pack": 2}, Reserved: map[string]int{"serve": 0},
	}}
	for name, tc := range map[string]edit{
		"good":                {"", "", ""},
		"another figure":      {"Pack: 2", "Pack: 3", "Pack has 3 of concurrent"},
		"a figure too many":   {"Serve: 0}", "Serve: 0, Else: 1}", "has 4 figures"},
		"a size too many":     {"    small:", "    large: {}\n    small:", "has 2 sizes"},
		"a number of its own": {"!FindInMap [Scale, !Ref Scale, Pack]", "5", "pack doesn't take its figure"},
		"another's figure":    {"Scale, Read]", "Scale, Pack]", "read doesn't take its figure"},
		"always reserved": {
			"!If [ReservesConcurrency, !FindInMap [Scale, !Ref Scale, Serve], !Ref 'AWS::NoValue']",
			"!FindInMap [Scale, !Ref Scale, Serve]", "serve doesn't take its figure",
		},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, scales(tc.template(t, text), sizes), tc.want) })
	}
}
