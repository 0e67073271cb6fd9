package queue

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/plugins/state"
)

const (
	// statusPeriod is how often the Queues' status is brought up to date.
	statusPeriod = 3 * time.Second
	// maxStatusWrites bounds the writes of one time, so that they never compete with binding; the rest follows the next time.
	maxStatusWrites = 20
	// maxUsagePeriod is how old the past usage in a status may get at most before it is written again.
	maxUsagePeriod = time.Minute
)

// writer keeps the status of the Queues and their metrics.
type writer struct {
	gangs *state.Store
	// usagePeriod is how old the past usage in a status may get. What a restart loses is what was used since.
	usagePeriod time.Duration
	written     map[string]time.Time
	metrics     published
}

func newWriter(gangs *state.Store, halfLife time.Duration) *writer {
	return &writer{
		gangs: gangs, usagePeriod: min(max(halfLife/100, statusPeriod), maxUsagePeriod),
		written: map[string]time.Time{}, metrics: published{},
	}
}

// run writes from when leading is closed until the context ends. Until then another replica does.
func (w *writer) run(ctx context.Context, leading <-chan struct{}) {
	state.WhileLeading(ctx, leading, statusPeriod, func(now time.Time) { w.write(ctx, now) })
}

func (w *writer) write(ctx context.Context, now time.Time) {
	queues, _ := w.gangs.Queues()
	w.metrics.set(queues)
	due := changes(queues, w.written, w.usagePeriod, now)
	for _, c := range due[:min(len(due), maxStatusWrites)] {
		w.written[c.queue.Name] = now
		err := w.gangs.SetQueueStatus(ctx, c.queue, c.status)
		// A conflict is a change that has not come here yet; the next time is soon.
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Keeping the status of a Queue")
		}
	}
}
