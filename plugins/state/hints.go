package state

import (
	"fmt"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// Hints says what would help a request that is refused for a reason, with numbers. usable are the nodes that accept its
// members but for what they ask for; nil stands for all.
func (r *Registry) Hints(request Request, reason gang.Reason, usable map[string]bool) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if usable != nil && len(usable) == 0 {
		return []string{"a node that accepts its pods, by selectors, affinity and taints: there is none"}
	}
	return r.hints(request.Gang, reason, func(idle bool) []dispatch.Lack { return r.line.LacksOf(request.Gang, usable, idle) })
}

func (r *Registry) hints(g dispatch.Gang, reason gang.Reason, lacks func(idle bool) []dispatch.Lack) []string {
	switch reason {
	case gang.QuotaExceeded, gang.ExceedsLimit:
		if over := r.line.Ledger.Check(g.Queue, g.Amount, g.Firm); over != nil {
			return quotaHints(*over)
		}
	case gang.Unschedulable:
		return roomHints(lacks(false), "free")
	case gang.ExceedsCluster:
		return roomHints(lacks(true), "in the cluster")
	case gang.TopologyNotMet:
		return []string{fmt.Sprintf("the annotation %s in place of %s: it would start now, in several domains",
			schedulingv1alpha1.TopologyPreferredAnnotation, schedulingv1alpha1.TopologyRequiredAnnotation)}
	case gang.Reserved:
		return r.backfillHints(g)
	}
	return nil
}

// quotaHints says by how much a queue would be over its limit or guarantee.
func quotaHints(over ledger.Refusal) []string {
	amount := func(n int64) string { return ledger.Format(over.Resource, n) + " " + over.Resource }
	beyond := resource.Difference(resource.Sum(over.Used, over.Asked), over.Cap)
	firm := fmt.Sprintf("without the annotation %s: \"false\" the gang might use more than queue %s is guaranteed",
		schedulingv1alpha1.PreemptibleAnnotation, over.Queue)
	switch {
	case over.Kind == ledger.OverLimit:
		return []string{fmt.Sprintf("%s less used in queue %s: with this gang it is that much over its limit", amount(beyond), over.Queue)}
	case over.Kind == ledger.NeverFits:
		return []string{fmt.Sprintf("a limit of %s or more for queue %s, where it is %s now", amount(over.Asked), over.Queue, ledger.Format(over.Resource, over.Cap))}
	case over.Resource == "":
		return []string{firm}
	}
	return []string{fmt.Sprintf("%s more guaranteed to queue %s, or less used there by gangs that may not be preempted", amount(beyond), over.Queue), firm}
}

// roomHints says how much more of which resource would do, as far as arithmetic goes.
func roomHints(lacks []dispatch.Lack, where string) []string {
	var hints []string
	for _, lack := range lacks {
		amount := func(n int64) string { return ledger.Format(lack.Resource, n) }
		hint := fmt.Sprintf("%s more %s %s", amount(lack.Amount), lack.Resource, where)
		switch {
		case lack.TooLarge:
			hint = fmt.Sprintf("nodes of %s %s: a pod asks for that much, and the largest node has %s", amount(lack.Each), lack.Resource, amount(lack.Largest))
		case lack.Each > 1 && lack.Members > 1:
			hint += fmt.Sprintf(", for %d pods of %s", lack.Members, amount(lack.Each))
		case lack.Each > 1:
			hint += fmt.Sprintf(", for 1 pod of %s on one node", amount(lack.Each))
		}
		hints = append(hints, hint)
	}
	return hints
}

// backfillHints says how a gang that does not say how long it runs could go ahead of one for which room is kept.
func (r *Registry) backfillHints(g dispatch.Gang) []string {
	var first time.Time
	for _, hold := range r.line.HoldsAgainst(g.ID) {
		if hold.Start.After(r.now()) && (first.IsZero() || hold.Start.Before(first)) {
			first = hold.Start
		}
	}
	if first.IsZero() {
		return nil
	}
	return []string{fmt.Sprintf("a run time that is over before %s, said in the annotation %s", first.UTC().Format(time.RFC3339), schedulingv1alpha1.ExpectedRuntimeAnnotation)}
}
