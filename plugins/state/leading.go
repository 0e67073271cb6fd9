package state

import (
	"context"
	"time"
)

// WhileLeading calls f every period, from when leading is closed until the context ends.
func WhileLeading(ctx context.Context, leading <-chan struct{}, period time.Duration, f func(now time.Time)) {
	select {
	case <-ctx.Done():
		return
	case <-leading:
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f(time.Now())
		}
	}
}
