package state

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/fragmentation"
	"github.com/muster-scheduling/muster/internal/gang"
)

// check holds after every step.
func (h *history) check() {
	for _, key := range slices.SortedFunc(maps.Keys(h.r.gangs), compareKeys) {
		h.checkCounts(h.r.gangs[key])
	}
	h.checkTurn()
	h.checkUsage()
	h.checkWaiting()
	for name, node := range h.cache {
		if got := h.r.placed[h.pods[name].UID]; got != node {
			h.fatalf("pod %s takes room on %q, the registry says %q", name, node, got)
		}
	}
}

// checkWaiting counts again what shapes the members have that wait.
func (h *history) checkWaiting() {
	waiting := map[fragmentation.Demand]int{}
	for _, m := range h.r.members {
		if m.standing == ready {
			waiting[m.waits]++
		}
	}
	if !maps.Equal(waiting, h.r.waiting) {
		h.fatalf("the shapes %v wait, the registry says %v", waiting, h.r.waiting)
	}
}

func compareKeys(a, b Key) int { return cmp.Compare(a.id(), b.id()) }

// checkCounts counts the members of a gang again.
func (h *history) checkCounts(e *entry) {
	count, reserved, surplus := gang.Tally{}, 0, 0
	for _, m := range e.members {
		if m.standing == held {
			count[m.role]++
		}
		if m.reserved {
			reserved++
		}
		if m.claim != nil {
			surplus++
			if h.r.claims[m.claim.id] != m.claim {
				h.fatalf("the claim of pod %s is not in the line", m.pod.Name)
			}
		}
	}
	for _, role := range e.succeeded {
		count[role]++
	}
	if !maps.Equal(count, e.count[held]) || reserved != e.reserved || surplus != e.surplus {
		h.fatalf("gang %s: counted %v held, %d reserved, %d in the line, the registry says %v, %d and %d",
			e.key, count, reserved, surplus, e.count[held], e.reserved, e.surplus)
	}
}

// checkTurn counts the turns: one at most, and it is that of the claim whose pod may enter.
func (h *history) checkTurn() {
	trying := h.r.line.Trying()
	for id, c := range h.r.claims {
		if c.turn != nil && id != trying {
			h.fatalf("%s has a turn, and so has %q", id, trying)
		}
		if c.turn == nil && id == trying {
			h.fatalf("it is the turn of %s, and it does not know", id)
		}
	}
	if trying != "" && h.r.claims[trying] == nil {
		h.fatalf("it is the turn of %s, which is not there", trying)
	}
	if h.r.line.Waiting() != len(h.r.claims) {
		h.fatalf("%d stand in the line, %d have a claim", h.r.line.Waiting(), len(h.r.claims))
	}
}

// checkUsage adds up again what every queue has to be charged for, and that pods do not take it above its limit.
func (h *history) checkUsage() {
	usage, pods := map[string]int64{}, map[string]int64{}
	charge := func(to map[string]int64, queue string, amount int64) {
		for _, name := range h.r.line.Ledger.Chain(queue) {
			to[name] += amount
		}
	}
	for name, p := range h.pods {
		m := h.r.members[p.UID]
		ended := p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
		if h.cache[name] != "" && !ended || m != nil && m.planned {
			charge(pods, m.gang.queue(), cpuOf(p))
		}
	}
	maps.Copy(usage, pods)
	for id, c := range h.r.claims {
		if c.turn != nil && c.turn.Over == nil || h.r.line.MakingRoom(id) {
			charge(usage, c.e.queue(), h.asked(c))
		}
	}
	for _, name := range queueNames {
		if got := h.r.line.Ledger.Usage(name)["cpu"]; got != usage[name] {
			h.fatalf("queue %s is charged for %d, want %d", name, got, usage[name])
		}
		if limit := limitOf(h.r, name); pods[name] > limit && pods[name] > h.charged[name] && !h.exempt {
			h.fatalf("queue %s uses %d, its limit is %d", name, pods[name], limit)
		}
	}
	h.charged = pods
}

// asked is what a claim asks of its queue.
func (h *history) asked(c *claim) (cpu int64) {
	if c.m != nil {
		return cpuOf(c.m.pod)
	}
	for _, p := range c.e.minimum(c.e.pods(ready)) {
		cpu += cpuOf(p)
	}
	return cpu
}

// checkRest holds when all is at rest: whoever waits has a reason, and the reason is true.
func (h *history) checkRest() {
	r := h.r
	r.Changed()
	if len(r.victims) > 0 {
		h.fatalf("%v are still awaited", r.victims)
	}
	for _, key := range slices.SortedFunc(maps.Keys(r.gangs), compareKeys) {
		e := r.gangs[key]
		if e.reserved > 0 || e.plan != nil {
			h.fatalf("gang %s is being bound when all is at rest", key)
		}
		verdict := e.noted
		if e.claim != nil {
			h.checkReason(e.claim, verdict)
		}
		for _, m := range e.members {
			if m.claim != nil {
				h.checkReason(m.claim, r.line.Why(m.claim.id, h.clock.now))
			}
		}
	}
}

// checkReason asks whether a claim could be met after all.
func (h *history) checkReason(c *claim, verdict gang.Verdict) {
	line := h.r.line
	queue := c.e.queue()
	if verdict.Reason == gang.QuotaExceeded && strings.Contains(verdict.Message, "goes first") {
		return // It may not pass somebody who has waited for quota for long.
	}
	if verdict.Reason == gang.None || verdict.Reason == gang.NotYetPlanned {
		h.fatalf("%s waits for %+v", c.id, verdict)
	}
	if line.Gated(queue).Reason != gang.None {
		return
	}
	request := Request{Key: c.e.key, Need: c.e.need(), Pods: c.e.pods(ready)}
	request.Turn = dispatch.Turn{Gang: dispatch.Gang{ID: c.id, Queue: queue, Firm: c.e.firm()}}
	request.Amount = map[string]int64{"cpu": h.asked(c)}
	if c.m != nil {
		request.Need, request.Pods = gang.Need{Total: 1}, []*corev1.Pod{c.m.pod}
	}
	if line.Ledger.Check(queue, request.Amount, request.Firm) == nil && h.plan(request, h.free(request)) != nil {
		h.fatalf("%s could start, and waits for %+v", c.id, verdict)
	}
}
