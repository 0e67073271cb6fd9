package state

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is the time of a test.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

// newTestRegistry makes an open registry of a cluster with the node n of 100 CPUs. Every pod asks for one.
func newTestRegistry() (*Registry, *clock) {
	c := &clock{now: epoch}
	r := NewRegistry(func() time.Time { return c.now }, dispatch.Options{Reservations: 1, Patience: time.Minute})
	r.SetNode(node("n", "100"))
	r.Open()
	return r, c
}

func node(name, cpu string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourcePods: resource.MustParse("110")}
	return n
}

func queue(name, limit string) *schedulingv1alpha1.Queue {
	q := &schedulingv1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if limit != "" {
		q.Spec.Limit = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(limit)}
	}
	return q
}

func podGroup(name string, minMember int32, minMembers string) *podgroupv1alpha1.PodGroup {
	pg := &podgroupv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: name, UID: types.UID(name), CreationTimestamp: metav1.Time{Time: epoch},
	}}
	pg.Spec.MinMember = minMember
	if minMembers != "" {
		pg.Annotations = map[string]string{schedulingv1alpha1.MinMembersAnnotation: minMembers}
	}
	return pg
}

func pod(gang, name string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: name, UID: types.UID(name), CreationTimestamp: metav1.Time{Time: epoch}, Labels: map[string]string{},
	}}
	p.Spec.SchedulerName = schedulingv1alpha1.SchedulerName
	p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
	}}}
	if gang != "" {
		p.Labels[schedulingv1alpha1.PodGroupLabel] = gang
	}
	return p
}

func prioritized(p *corev1.Pod, priority int32) *corev1.Pod {
	p.Spec.Priority = &priority
	return p
}

func on(p *corev1.Pod, node string) *corev1.Pod {
	p = p.DeepCopy()
	p.Spec.NodeName = node
	return p
}

func leaving(p *corev1.Pod) *corev1.Pod {
	p = p.DeepCopy()
	p.DeletionTimestamp = &metav1.Time{Time: epoch}
	return p
}

func gangKey(name string) Key { return Key{Namespace: "ns", Name: name} }

func names(pods []*corev1.Pod) []string {
	var names []string
	for _, p := range pods {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

func wantAdmitted(t *testing.T, r *Registry, p *corev1.Pod, want bool) {
	t.Helper()
	if got, why := r.Admit(p); got != want {
		t.Errorf("Admit(%s) = %t (%s), want %t", p.Name, got, why, want)
	}
}

func wantActivated(t *testing.T, effects Effects, want ...string) {
	t.Helper()
	if got := names(effects.Activate); !slices.Equal(got, want) {
		t.Errorf("%v are activated, want %v", got, want)
	}
}

func wantReason(t *testing.T, r *Registry, name string, want gang.Reason) {
	t.Helper()
	r.Changed()
	view, ok := r.View(gangKey(name))
	if !ok || view.Verdict.Reason != want {
		t.Errorf("gang %s waits for %q (%s), want %q", name, view.Verdict.Reason, view.Verdict.Message, want)
	}
}

// planAll commits a plan that puts every ready member on node n, the leader first.
func planAll(t *testing.T, r *Registry, leader *corev1.Pod) Effects {
	t.Helper()
	standing, _, request := r.Standing(leader)
	if standing != Leading {
		t.Fatalf("pod %s has standing %d, want it to lead", leader.Name, standing)
	}
	var placements []Placement
	for _, p := range request.Pods {
		placements = append(placements, Placement{UID: p.UID, Node: "n"})
	}
	_, effects, err := r.Commit(request, placements)
	if err != nil {
		t.Fatal(err)
	}
	return joined(effects, r.Advance())
}

// reserve does what the scheduler does with a pod that has a node: the cache assumes it, and then Reserve is asked.
func reserve(t *testing.T, r *Registry, p *corev1.Pod) Effects {
	t.Helper()
	r.Occupied(on(p, "n"))
	effects, err := r.Reserve(p, "n")
	if err != nil {
		t.Fatal(err)
	}
	return effects
}

// giveBack does what the scheduler does with a pod that is not bound after all.
func giveBack(r *Registry, p *corev1.Pod) Effects {
	return joined(r.GiveBack(p.UID), r.Vacated(on(p, "n")))
}

// set and drop show a pod to the scheduler's cache and to the registry.
func set(r *Registry, p *corev1.Pod) Effects {
	if p.Spec.NodeName != "" {
		r.Occupied(p)
	}
	return r.SetPod(p)
}

func drop(r *Registry, p *corev1.Pod) Effects {
	return joined(r.DeletePod(p.UID), r.Vacated(p))
}

func joined(all ...Effects) (effects Effects) {
	for _, e := range all {
		effects.Activate = append(effects.Activate, e.Activate...)
		effects.Reject = append(effects.Reject, e.Reject...)
		effects.Allow = append(effects.Allow, e.Allow...)
	}
	return effects
}

// run plans a gang of members that nothing hinders and has them bound.
func run(t *testing.T, r *Registry, pods ...*corev1.Pod) {
	t.Helper()
	planAll(t, r, pods[0])
	for _, p := range pods {
		reserve(t, r, p)
		r.Permit(p)
	}
	for _, p := range pods {
		set(r, on(p, "n"))
	}
}

// fail ends the attempt of a pod, as the cycle concluded it.
func fail(t *testing.T, r *Registry, p *corev1.Pod, outcome Outcome) Effects {
	t.Helper()
	standing, _, request := r.Standing(p)
	if standing != Leading && standing != Free {
		t.Fatalf("pod %s has standing %d: it is not its turn", p.Name, standing)
	}
	r.Conclude(request, outcome)
	return r.Ended(p.UID, "no room")
}

func noRoom(wake dispatch.Wake) Outcome {
	return Outcome{Blocked: dispatch.Blocked{Verdict: gang.Verdict{Reason: gang.Unschedulable, Message: "no room"}, Wake: wake}}
}
