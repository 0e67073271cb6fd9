package fairshare

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
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

// allowed is how many pods each budget still allows to evict.
func (list budgets) allowed() []int {
	allowed := make([]int, len(list))
	for i, b := range list {
		allowed[i] = int(b.Status.DisruptionsAllowed)
	}
	return allowed
}

// of lists, for each of the pods, the budgets that protect it.
func (list budgets) of(pods []*corev1.Pod) []int {
	var indices []int
	for _, pod := range pods {
		for i, b := range list {
			if pod.Namespace == b.Namespace && b.selector.Matches(labels.Set(pod.Labels)) {
				indices = append(indices, i)
			}
		}
	}
	return indices
}
