package dispatch

import (
	"fmt"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
)

// Gated is why the queue of a gang admits nothing, whatever the gang asks for; its reason is gang.None where it does.
func (d *Dispatcher) Gated(queue string) gang.Verdict {
	if fault := d.Ledger.Fault(queue); fault != nil {
		reason := gang.Misconfigured
		if fault.Code == ledger.NotFound {
			reason = gang.QueueNotFound
		}
		return gang.Verdict{Reason: reason, Message: fault.Message}
	}
	if stopped, how := d.Ledger.Stopped(queue); how != ledger.None {
		return gang.Verdict{Reason: gang.QueueStopped, Message: fmt.Sprintf("queue %s is stopped: it admits nothing", stopped)}
	}
	return gang.Verdict{}
}

// Why is why a gang of a line waits. The reason is one of those that concern queues and room, the dominant one.
func (d *Dispatcher) Why(id string, now time.Time) gang.Verdict {
	w := d.waiting[id]
	switch {
	case w == nil:
		return gang.Verdict{}
	case w == d.trying && w.verdict.Reason == gang.None:
		return gang.Verdict{Reason: gang.NotYetPlanned, Message: "the gang is being planned"}
	case w == d.trying: // The last attempt's reason stands until there is another.
		return w.verdict
	case d.making[id] != nil:
		return w.verdict
	}
	gated := d.Gated(w.Queue)
	refusal := d.Ledger.Check(w.Queue, w.Amount, w.Firm)
	j := d.judgedFor(w)
	switch {
	case gated.Reason != gang.None && gated.Reason != gang.QueueStopped:
		return gated
	case refusal != nil && refusal.Never():
		return gang.Verdict{Reason: gang.ExceedsLimit, Message: refusal.String()}
	case j != nil && j.verdict.Reason == gang.ExceedsCluster:
		return j.verdict
	case gated.Reason != gang.None:
		return gated
	case refusal != nil:
		return gang.Verdict{Reason: gang.QuotaExceeded, Message: refusal.String()}
	case j != nil:
		return j.verdict
	case now.Before(w.notBefore):
		return w.verdict
	}
	if behind := d.behind(w, now); behind != "" {
		return gang.Verdict{Reason: gang.QuotaExceeded, Message: fmt.Sprintf(
			"%s goes first: it has waited for long until queue %s has quota for it", behind, w.Queue)}
	}
	return gang.Verdict{Reason: gang.NotYetPlanned, Message: "the gang's turn has not come yet"}
}

// Since is when a gang came into the line.
func (d *Dispatcher) Since(id string) time.Time {
	if w := d.waiting[id]; w != nil {
		return w.since
	}
	return time.Time{}
}
