package placement

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
)

// refuse puts an outcome without a plan into words.
func (pl *Planner) refuse(ctx context.Context, a *Attempt, answer topology.Answer, rejections *rejections, nodes []fwk.NodeInfo, use SnapshotUse) error {
	a.Fault = answer.Fault
	if a.Fault != "" {
		a.Message, a.Wake = a.Fault, dispatch.WhenAnythingMoves
		return nil
	}
	if a.Topology != nil {
		scattered := *a
		scattered.Topology = nil
		anywhere, err := pl.solve(ctx, &scattered, nodes, use)
		if err != nil {
			return err
		}
		if a.Scattered = anywhere.Result == gang.Placed; !a.Scattered {
			answer.Outcome = anywhere.Outcome
		}
	}
	a.Message = a.shortage(answer, rejections)
	switch {
	case slices.ContainsFunc(a.request.Pods, wantsCompany):
		a.Wake = dispatch.WhenAnythingMoves
	case a.Constrained || a.Scattered || answer.Result == gang.BudgetSpent || rejections.notOfRoom():
		a.Wake = dispatch.WhenRoomIsFreed
	}
	return nil
}

// shortage says how far the members come with the room that there is.
func (a *Attempt) shortage(answer topology.Answer, rejections *rejections) string {
	need := a.request.Need
	var message strings.Builder
	if a.Scattered {
		fmt.Fprintf(&message, "there is room for the %d members that have to start together, but not in one domain: %s", need.Total, refusals(answer))
	} else {
		fmt.Fprintf(&message, "%d of the %d members that have to start together fit", min(answer.Total(), need.Total), need.Total)
		for _, line := range roleShortages(answer.Outcome, need, a.classes) {
			message.WriteString("; " + line)
		}
	}
	if answer.Result == gang.BudgetSpent {
		fmt.Fprintf(&message, "; the search stopped after %d steps without a proof, and will be repeated", answer.Steps)
	}
	if why := rejections.String(); why != "" {
		message.WriteString(". " + why)
	}
	return message.String()
}

// refusals says how far the best domains come.
func refusals(answer topology.Answer) string {
	words := make([]string, len(answer.Domains))
	for i, refusal := range answer.Domains {
		words[i] = refusal.String()
	}
	return strings.Join(words, ", ")
}

// wantsCompany reports whether other pods can let a pod in: by affinity, or by evening out a spread.
func wantsCompany(pod *corev1.Pod) bool {
	affinity := pod.Spec.Affinity
	return affinity != nil && affinity.PodAffinity != nil || len(pod.Spec.TopologySpreadConstraints) > 0
}

func roleShortages(outcome gang.Outcome, need gang.Need, classes []*class) []string {
	fit := map[string]int{}
	for c, n := range outcome.Fit {
		fit[classes[c].role] += n
	}
	var lines []string
	for _, role := range slices.Sorted(maps.Keys(need.Role)) {
		if fit[role] < need.Role[role] {
			lines = append(lines, fmt.Sprintf("role %q: %d of %d", role, fit[role], need.Role[role]))
		}
	}
	return lines
}
