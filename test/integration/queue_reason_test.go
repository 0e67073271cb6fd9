package integration

import (
	"context"
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// marks are the pods that were ever seen to be marked as unschedulable.
type marks struct {
	mu   sync.Mutex
	seen map[string]bool
}

// watchMarks follows the pods of the test from now on: a mark that is taken back counts as well.
func (e *env) watchMarks() *marks {
	e.Helper()
	m := &marks{seen: map[string]bool{}}
	watch, err := e.clients.CoreV1().Pods(e.namespace).Watch(e.Context(), metav1.ListOptions{})
	e.do(err)
	e.Cleanup(watch.Stop)
	go func() {
		for event := range watch.ResultChan() {
			p, ok := event.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			if c := scheduledCondition(p); c != nil && c.Reason == corev1.PodReasonUnschedulable {
				m.mu.Lock()
				m.seen[p.Name] = true
				m.mu.Unlock()
			}
		}
	}()
	return m
}

func (m *marks) has(pod string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen[pod]
}

// G1: an autoscaler acts on pods that are marked as unschedulable. A gang that waits for quota never is, one that waits
// for capacity is, and the mark goes when quota becomes what it waits for.
func TestOnlyCapacityIsUnschedulable(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	seen := e.watchMarks()
	e.queue("full", limit(cpu(2)))
	e.queue("open")
	e.gangIn("full", "running", 2, 2, cpu(1))
	e.expectBound("running", 2)
	e.gangIn("full", "quota", 2, 2, cpu(1))
	e.gangIn("full", "never", 3, 3, cpu(1))
	e.gangIn("open", "capacity", 3, 3, cpu(1))
	e.gangIn("missing", "queueless", 1, 1, cpu(1))
	e.expectUnschedulable("capacity")
	e.expectEvent("PodGroup", "quota", string(gangs.QuotaExceeded), "2 of 2 cpu in use, 2 more asked")
	e.expectEvent("PodGroup", "never", string(gangs.ExceedsLimit), "3 cpu asked, the limit is 2")
	e.expectEvent("PodGroup", "queueless", string(gangs.QueueNotFound), "")
	e.expectAtRest(map[string]int{"running": 2, "quota": 0, "never": 0, "capacity": 0, "queueless": 0})

	e.editQueue("open", limit(cpu(2)))
	e.eventually("gang capacity is marked no longer", func(context.Context) (bool, string) {
		for _, p := range shared.watcher.in(e.namespace) {
			if c := scheduledCondition(p); gangOf(p) == e.namespace+"/capacity" && (c == nil || c.Reason != string(gangs.ExceedsLimit)) {
				return false, fmt.Sprintf("%s: %+v", p.Name, c)
			}
		}
		return true, ""
	})
	for _, name := range []string{"quota-0", "quota-1", "never-0", "never-1", "never-2", "queueless-0", "running-0"} {
		if seen.has(name) {
			t.Errorf("pod %s was marked as unschedulable", name)
		}
	}
	if !seen.has("capacity-0") {
		t.Error("the watch has not seen the mark of a gang that waits for capacity")
	}
}

// I7: each gang that waits has one reason and is told it once, however often it is tried; another reason is another event.
func TestOneEventForEachReason(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	e.queue("q", limit(cpu(2)))
	running := e.gangIn("q", "running", 2, 2, cpu(1))
	e.expectBound("running", 2)
	e.gangIn("q", "quota", 2, 2, cpu(1))
	e.queue("open")
	e.gangIn("open", "capacity", 3, 3, cpu(1))
	e.expectEvent("PodGroup", "quota", string(gangs.QuotaExceeded), "")
	e.expectEvent("PodGroup", "capacity", string(gangs.Unschedulable), "")
	e.expectAtRest(map[string]int{"running": 2, "quota": 0, "capacity": 0})
	e.expectToldOnce("quota", gangs.QuotaExceeded)
	e.expectToldOnce("capacity", gangs.Unschedulable)
	e.editQueue("q", limit(cpu(1)))
	e.expectEvent("PodGroup", "quota", string(gangs.ExceedsLimit), "2 cpu asked, the limit is 1")
	e.editQueue("q", limit(cpu(2)))
	e.mayBreak("running")
	e.force(running...)
	e.eventually("one of the two starts", func(context.Context) (bool, string) {
		return len(e.boundPods("quota"))+len(e.boundPods("capacity")) > 1, ""
	})
}

// expectToldOnce checks that one warning, told one time, is all that a PodGroup has.
func (e *env) expectToldOnce(gang string, reason gangs.Reason) {
	e.Helper()
	var told []string
	for _, event := range e.events("PodGroup", gang) {
		if event.Type == corev1.EventTypeWarning {
			told = append(told, event.Reason)
			if event.Count > 1 || event.Series != nil {
				e.Errorf("%s was told more than once: %+v", event.Reason, event)
			}
		}
	}
	if len(told) != 1 || told[0] != string(reason) {
		e.Errorf("the warnings on gang %s are %v, want %s once", gang, told, reason)
	}
}
