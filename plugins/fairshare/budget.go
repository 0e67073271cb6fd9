package fairshare

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/muster-scheduling/muster/plugins/state"
)

// budgets are the PodDisruptionBudgets. The Eviction API would refuse only the last pods that exceed one, and leave a gang
// half alive: so they are asked before.
type budgets []budget

type budget struct {
	*policyv1.PodDisruptionBudget
	selector labels.Selector
}

func (pl *FairShare) disruptionBudgets() (budgets, error) {
	all, err := pl.budgets.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing PodDisruptionBudgets: %w", err)
	}
	var list budgets
	for _, b := range all {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil {
			continue // The API server refuses such a budget.
		}
		list = append(list, budget{b, selector})
	}
	return list, nil
}

func (b budget) covers(pod *corev1.Pod) bool {
	return pod.Namespace == b.Namespace && b.selector.Matches(labels.Set(pod.Labels))
}

// exceeds reports whether evicting all of the pods is more than the budget allows.
func (b budget) exceeds(pods []*corev1.Pod) bool {
	victims := 0
	for _, pod := range pods {
		if b.covers(pod) {
			victims++
		}
	}
	return victims > 0 && victims > int(b.Status.DisruptionsAllowed)
}

// violated names a budget that does not allow to evict all pods of the units; empty where all do.
func (list budgets) violated(units []state.Unit) string {
	pods := podsOf(units)
	for _, b := range list {
		if b.exceeds(pods) {
			return b.Namespace + "/" + b.Name
		}
	}
	return ""
}

// allowed leaves out units that a budget protects by themselves, and the rest of a gang some of whose members are.
func (list budgets) allowed(units []state.Unit) []state.Unit {
	protected := map[state.Key]bool{}
	kept := slices.DeleteFunc(slices.Clone(units), func(unit state.Unit) bool {
		violates := list.violated([]state.Unit{unit}) != ""
		protected[unit.Key] = protected[unit.Key] || violates
		return violates
	})
	return slices.DeleteFunc(kept, func(unit state.Unit) bool { return unit.Rest && protected[unit.Key] })
}

// without leaves out the dearest of the victims that a budget covers, so that another choice does with fewer of them.
func (list budgets) without(units, victims []state.Unit, name string) []state.Unit {
	for _, b := range list {
		if b.Namespace+"/"+b.Name != name {
			continue
		}
		for _, victim := range slices.Backward(victims) {
			if slices.ContainsFunc(victim.Pods, b.covers) {
				return slices.DeleteFunc(slices.Clone(units), func(unit state.Unit) bool {
					return unit.Key == victim.Key && (unit.Rest || unit.Pods[0].UID == victim.Pods[0].UID)
				})
			}
		}
	}
	return nil
}
