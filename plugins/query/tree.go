package query

import (
	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/state"
)

// stopNames are how a queue is stopped, as its object says it.
var stopNames = map[ledger.Stop]string{ledger.Hold: "Hold", ledger.Drain: "Drain"}

// treeOf translates the state of the queues.
func treeOf(states []state.QueueState, capacity resource.Amounts) explain.Queues {
	tree := explain.Queues{Capacity: capacity, Queues: make([]explain.Queue, len(states))}
	for i, s := range states {
		queue := explain.Queue{
			Name: s.Name, Parent: s.Parent, Weight: s.Weight, Guarantee: s.Guarantee, Limit: s.Limit,
			FairShare: s.FairShare, Usage: s.Usage, Admitted: s.Admitted, Pending: s.Pending, Reasons: s.Reasons,
			Stopped: stopNames[s.Stopped],
		}
		if s.Fault != nil {
			queue.Fault = s.Fault.Message
		}
		if h := s.Head; h != nil {
			kind := explain.KindPodGroup
			if h.Pod {
				kind = explain.KindPod
			}
			queue.Head = &explain.Head{
				Namespace: h.Key.Namespace, Name: h.Key.Name, Kind: kind, Reason: h.Verdict.Reason, Message: h.Verdict.Message,
			}
		}
		tree.Queues[i] = queue
	}
	return tree
}
