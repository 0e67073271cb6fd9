package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

const (
	// holder is the queue whose jobs fill the cluster, claimer the one that takes back what it is guaranteed.
	holder, claimer = "holder", "claimer"
	// protected marks jobs that a PodDisruptionBudget protects.
	protected = "protected"
)

// takeBack fills a cluster with the jobs of one queue and then submits gangs of another whose guarantee covers them: three
// for which no room can be made, by as little as possible, and one for which it can.
func takeBack(ctx context.Context, s site, w workload) (map[string]float64, error) {
	eyes, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer eyes.close()
	all, asked := w.nodes*w.gpusPerNode, w.size*w.gpusPerNode
	err = createQueues(ctx, s.clients, []*schedulingv1alpha1.Queue{guaranteed(holder, all-asked+1), guaranteed(claimer, asked)})
	if err != nil {
		return nil, err
	}
	running := jobs("job", holder, all, 1)
	if _, err := s.create(ctx, running); err != nil {
		return nil, err
	}
	if _, err := eyes.untilBound(ctx, running); err != nil {
		return nil, err
	}
	values := map[string]float64{"running_jobs": float64(all)}

	// More pods than there are nodes.
	if err := s.refused(ctx, eyes, "too-large", w.nodes+max(1, w.nodes/5), w.gpusPerNode, values, "proof_cluster_s"); err != nil {
		return values, err
	}
	// The holder's guarantee covers one job too many.
	if err := s.refused(ctx, eyes, "too-much", w.size, w.gpusPerNode, values, "proof_guarantee_s"); err != nil {
		return values, err
	}
	if err := s.guarantee(ctx, holder, 0); err != nil {
		return values, err
	}
	// A budget protects one job on each node, but for one node less than the gang needs.
	if err := s.protect(ctx, eyes, running, w.nodes-w.size+1); err != nil {
		return values, err
	}
	if err := s.refused(ctx, eyes, "too-scattered", w.size, w.gpusPerNode, values, "proof_budget_s"); err != nil {
		return values, err
	}
	if err := s.unprotect(ctx); err != nil {
		return values, err
	}
	return values, s.granted(ctx, eyes, w, running, values)
}

// guaranteed is a top queue that is guaranteed a number of GPUs.
func guaranteed(name string, gpus int) *schedulingv1alpha1.Queue {
	q := queue(name, "", 0, "0")
	q.Spec.Guarantee = map[corev1.ResourceName]resource.Quantity{gpu: *resource.NewQuantity(int64(gpus), resource.DecimalSI)}
	q.Spec.Limit = nil
	return q
}

// guarantee changes what a queue is guaranteed, and gives the scheduler a moment to hear of it.
func (s site) guarantee(ctx context.Context, name string, gpus int) error {
	patch := fmt.Appendf(nil, `{"spec":{"guarantee":{%q:"%d"}}}`, gpu, gpus)
	_, err := s.dynamic.Resource(queueResource).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("changing the guarantee of Queue %s: %w", name, err)
	}
	return sleep(ctx, time.Second)
}

// protect puts a PodDisruptionBudget that allows no eviction over one job on each of a number of nodes.
func (s site) protect(ctx context.Context, eyes *eyes, running []*corev1.Pod, nodes int) error {
	on := map[string]string{}
	var chosen []string
	eyes.mu.Lock()
	for _, p := range running {
		if node := eyes.node[p.Name]; on[node] == "" && len(on) < nodes {
			on[node] = p.Name
			chosen = append(chosen, p.Name)
		}
	}
	eyes.mu.Unlock()
	err := each(ctx, len(chosen), func(ctx context.Context, i int) error {
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:"yes"}}}`, protected)
		_, err := s.kube.CoreV1().Pods(loadNamespace).Patch(ctx, chosen[i], types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("labelling pod %s: %w", chosen[i], err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	none := intstr.FromInt32(0)
	_, err = s.kube.PolicyV1().PodDisruptionBudgets(loadNamespace).Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: protected},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: &none, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{protected: "yes"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating the PodDisruptionBudget: %w", err)
	}
	return sleep(ctx, time.Second)
}

func (s site) unprotect(ctx context.Context) error {
	if err := s.kube.PolicyV1().PodDisruptionBudgets(loadNamespace).Delete(ctx, protected, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("deleting the PodDisruptionBudget: %w", err)
	}
	return sleep(ctx, time.Second)
}

// claim submits a gang of the claimer and returns, once the scheduler has decided about it, how many seconds that took: to
// find that there is no room, and to find out whether some can be made.
func (s site) claim(ctx context.Context, name string, size, gpus int) (pods []*corev1.Pod, created time.Time, decided float64, err error) {
	before, err := scrape(ctx, s.dir)
	if err != nil {
		return nil, created, 0, err
	}
	if err := createGang(ctx, s.clients, "muster", loadNamespace, name, size, claimer); err != nil {
		return nil, created, 0, err
	}
	for i := range size {
		pods = append(pods, asking(pod("muster", loadNamespace, name, i, false), int64(gpus)))
	}
	if created, err = s.create(ctx, pods); err != nil {
		return pods, created, 0, err
	}
	err = holds(ctx, func() (bool, error) {
		now, err := scrape(ctx, s.dir)
		decided = spent(now) - spent(before)
		return now.sum(makeRoom+"_count") > before.sum(makeRoom+"_count"), err
	})
	if err != nil {
		err = fmt.Errorf("waiting for a decision about gang %s: %w", name, err)
	}
	return pods, created, decided, err
}

const makeRoom = "muster_make_room_duration_seconds"

// spent is how long the scheduler has planned and sought room so far, in seconds.
func spent(s samples) float64 {
	return s.sum("muster_plan_duration_seconds_sum") + s.sum(makeRoom+"_sum")
}

// refused submits a gang for which no room can be made, takes down how long the scheduler took to find out, and removes the
// gang. It fails if anybody was evicted.
func (s site) refused(ctx context.Context, eyes *eyes, name string, size, gpus int, values map[string]float64, metric string) error {
	pods, _, decided, err := s.claim(ctx, name, size, gpus)
	if err != nil {
		return err
	}
	now, err := scrape(ctx, s.dir)
	if err != nil {
		return err
	}
	if evicted := now.sum("muster_evicted_pods_total"); evicted > 0 {
		return fmt.Errorf("%.0f pods were evicted for gang %s, for which no room can be made", evicted, name)
	}
	if err := s.remove(ctx, pods); err != nil {
		return err
	}
	if err := s.dynamic.Resource(podGroups).Namespace(loadNamespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("deleting PodGroup %s: %w", name, err)
	}
	values[metric] = decided
	return eyes.untilGone(ctx, pods)
}

// granted submits the gang for which room can be made, and waits until it is bound.
func (s site) granted(ctx context.Context, eyes *eyes, w workload, running []*corev1.Pod, values map[string]float64) error {
	pods, created, decided, err := s.claim(ctx, "claim", w.size, w.gpusPerNode)
	if err != nil {
		return err
	}
	values["reclaim_s"] = decided
	last, err := eyes.untilBound(ctx, pods)
	if err != nil {
		return err
	}
	values["claim_s"] = last.Sub(created).Seconds()
	eyes.mu.Lock()
	defer eyes.mu.Unlock()
	var first time.Time
	for _, p := range running {
		at, evicted := eyes.gone[p.Name]
		if !evicted {
			continue
		}
		values["evicted_pods"]++
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	values["first_evicted_s"] = first.Sub(created).Seconds()
	return nil
}
