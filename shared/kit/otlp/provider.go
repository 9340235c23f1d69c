package otlp

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"orderflow/shared/kit/trace"
)

// The most that a span has. What is longer is cut, and what is more is left out and counted.
const (
	maxAttributes = 64
	maxEvents     = 16
	maxText       = 512 // characters
)

// NewProvider makes the spans of one process, which say of it what is given. It records what its
// parents are recorded of, and what has none: trace.Tracer decides on those. Variables of the
// environment (OTEL_…) change nothing.
func NewProvider(of []attribute.KeyValue, processors ...sdk.SpanProcessor) *sdk.TracerProvider {
	options := []sdk.TracerProviderOption{
		sdk.WithResource(resource.NewWithAttributes(trace.SchemaURL, of...)),
		sdk.WithSampler(sdk.ParentBased(sdk.AlwaysSample())),
		sdk.WithRawSpanLimits(sdk.SpanLimits{
			AttributeValueLengthLimit: maxText, AttributeCountLimit: maxAttributes, EventCountLimit: maxEvents,
			LinkCountLimit: trace.MaxLinks, AttributePerEventCountLimit: maxAttributes,
			AttributePerLinkCountLimit: maxAttributes,
		}),
	}
	for _, p := range processors {
		options = append(options, sdk.WithSpanProcessor(p))
	}
	return sdk.NewTracerProvider(options...)
}
