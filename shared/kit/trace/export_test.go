package trace

import "context"

// SetRandom gives a context's tracer its chance.
func SetRandom(ctx context.Context, random func() float64) { tracerOf(ctx).random = random }
