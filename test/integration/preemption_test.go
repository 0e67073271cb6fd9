package integration

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// withPriority makes a priority class that goes with the test, and pods of it.
func (e *env) withPriority(value int32) func(*corev1.Pod) {
	e.Helper()
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}, Value: value}
	e.do(e.client.Create(e.Context(), class))
	e.Cleanup(func() {
		if err := e.client.Delete(context.Background(), class); err != nil {
			e.Errorf("deleting priority class %s: %v", class.Name, err)
		}
	})
	withClass := func(p *corev1.Pod) { p.Spec.PriorityClassName = class.Name }
	// Admission reads classes from a cache of its own, which may not have this one yet.
	e.eventually("pods of the priority class are admitted", func(ctx context.Context) (bool, string) {
		probe := pod("probe", "", nil, withClass)
		probe.Namespace = e.namespace
		err := e.client.Create(ctx, probe, client.DryRunAll)
		return err == nil, fmt.Sprint(err)
	})
	return withClass
}

// expectStable checks that nobody is bound or evicted any more: it looks again after a while that suffices for several
// attempts.
func (e *env) expectStable(want map[string]int) {
	e.Helper()
	for range 3 {
		e.nextSecond()
		for gang, n := range want {
			if got := len(e.boundPods(gang)); got != n {
				e.Errorf("%d pods of gang %q are bound, want %d to stay", got, gang, n)
			}
		}
	}
}

// B3: a job with one parameter server and three workers, of which one and two are its minimum, fills the node. A pod of
// higher priority takes the one worker that can be spared.
func TestEvictsWhatTheGangCanSpare(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	e.create(podGroup("job", 3, minMembers(`{"ps":1,"worker":2}`)))
	e.createPods(members("job", 1, cpu(1), role("ps"))...)
	e.createPods(members("job", 3, cpu(1), role("worker"))...)
	e.expectBound("job", 4)
	e.createPods(pod("urgent", "", cpu(1), e.withPriority(100)))
	e.expectPodBound("urgent")
	e.expectBound("job", 3)
	if e.seen("job-0-ps") == nil {
		t.Error("the parameter server was evicted")
	}
	e.expectStable(map[string]int{"job": 3, "": 1})
}

// B5, by priority in place of queues: the gang that comes has a minimum of one of three. One member that the other gang
// can spare is evicted for that one; the members beyond the minimum drive nobody out.
func TestSurplusEvictsNobody(t *testing.T) {
	e := setUp(t, node("node", gpu(2)))
	e.create(podGroup("first", 1))
	e.createPods(members("first", 2, gpu(1))...)
	e.expectBound("first", 2)
	e.create(podGroup("second", 1))
	e.createPods(members("second", 3, gpu(1), e.withPriority(100))...)
	e.expectBound("second", 1)
	e.expectBound("first", 1)
	e.expectStable(map[string]int{"first": 1, "second": 1})
}

// A gang that has nothing to spare goes as a whole, and only one of the two: the other would be evicted for nothing.
func TestEvictsOneGangWhole(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	e.gang("low-a", 2, cpu(1))
	e.expectBound("low-a", 2)
	e.gang("low-b", 2, cpu(1))
	e.expectBound("low-b", 2)
	e.gang("high", 2, cpu(1), e.withPriority(100))
	e.expectBound("high", 2)
	a, b := len(e.boundPods("low-a")), len(e.boundPods("low-b"))
	if a+b != 2 || a == 1 {
		t.Errorf("%d and %d pods of the two gangs are left, want one gang whole", a, b)
	}
	e.expectStable(map[string]int{"low-a": a, "low-b": b, "high": 2})
}

// Nothing is evicted when the gang would not fit even then, when nothing has a lower priority, or when the gang that
// runs says that it must not be preempted.
func TestEvictsNobodyInVain(t *testing.T) {
	for _, tc := range []struct {
		name     string
		priority int32
		size     int
		edit     func(*corev1.Pod)
	}{
		{name: "would not fit", priority: 100, size: 5},
		{name: "equal priority", priority: 0, size: 2},
		{name: "not preemptible", priority: 100, size: 2, edit: annotation(schedulingv1alpha1.PreemptibleAnnotation, "false")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := setUp(t, nodes(2, cpu(2))...)
			var edits []func(*corev1.Pod)
			if tc.edit != nil {
				edits = append(edits, tc.edit)
			}
			e.gang("low", 4, cpu(1), edits...)
			e.expectBound("low", 4)
			e.gang("high", tc.size, cpu(1), e.withPriority(tc.priority))
			e.expectRefused("high")
			e.expectStable(map[string]int{"low": 4, "high": 0})
		})
	}
}

// PodDisruptionBudgets are respected: a gang of which one pod may be evicted, and not the other, keeps both.
func TestEvictionRespectsBudgets(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.gang("low", 2, cpu(1), podLabel("app", "low"))
	e.expectBound("low", 2)
	one := intstr.FromInt32(1)
	e.create(&policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "low"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "low"}},
		},
	})
	e.eventually("the budget is in force", func(ctx context.Context) (bool, string) {
		pdb, err := e.clients.PolicyV1().PodDisruptionBudgets(e.namespace).Get(ctx, "low", metav1.GetOptions{})
		return err == nil && pdb.Status.DisruptionsAllowed == 1, fmt.Sprint(err)
	})
	e.gang("high", 2, cpu(1), e.withPriority(100))
	e.expectRefused("high")
	e.expectStable(map[string]int{"low": 2, "high": 0})
}
