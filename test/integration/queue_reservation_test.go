package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-base/metrics/legacyregistry"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// stream keeps a number of jobs of one pod waiting or running: as one ends another comes. They end somewhat sooner than they
// say: one that is overdue is expected to take another minute, and lets others go ahead for as long.
type stream struct {
	*env
	queue   string
	backlog int
	made    int
}

// keepUp makes as many jobs as have ended, and returns how many have started.
func (s *stream) keepUp() (started int) {
	alive := 0
	for i := range s.made {
		switch p := s.seen(fmt.Sprintf("small-%d", i)); {
		case p == nil:
		case p.Spec.NodeName != "":
			started++
			if isBound(p) {
				alive++
			}
		default:
			alive++
		}
	}
	for ; alive < s.backlog; alive++ {
		s.createPods(pod(fmt.Sprintf("small-%d", s.made), "", cpu(1), s.ofQueue(s.queue), expects(4*time.Second), runs(1500*time.Millisecond)))
		s.made++
	}
	return started
}

// end takes away what still waits.
func (s *stream) end() {
	for i := range s.made {
		if p := s.seen(fmt.Sprintf("small-%d", i)); p != nil && p.Spec.NodeName == "" {
			s.force(p)
		}
	}
}

// E1, E5: small jobs arrive without end, and each fits where another has ended. A gang that needs all nodes at once
// starts all the same: as head of the line it gets a reservation. E5 is that for a gang of higher priority than the
// small jobs of its own queue, which may not be evicted.
func TestLargeGangIsNotStarved(t *testing.T) {
	for name, priority := range map[string]int32{"E1 equal priority": 0, "E5 higher priority": 100} {
		t.Run(name, func(t *testing.T) {
			e := setUp(t, nodes(4, cpu(1))...)
			e.queue("q", minRuntime(time.Hour))
			small := &stream{env: e, queue: "q", backlog: 7}
			e.eventually("small jobs run on all nodes", func(context.Context) (bool, string) {
				return small.keepUp() >= 4, ""
			})
			var edits []func(*corev1.Pod)
			if priority > 0 {
				edits = append(edits, e.withPriority(priority))
			}
			before := small.made
			e.gangIn("q", "large", 4, 4, cpu(1), append(edits, expects(time.Minute))...)
			e.eventually("the large gang starts", func(context.Context) (bool, string) {
				started := small.keepUp()
				return len(e.boundPods("large")) == 4, fmt.Sprintf("%d small jobs have started", started)
			})
			passed := 0
			for i := before; i < small.made; i++ {
				if p := e.seen(fmt.Sprintf("small-%d", i)); p != nil && p.Spec.NodeName != "" {
					passed++
				}
			}
			if passed > 4 { // some may, as long as they end in time
				t.Errorf("%d small jobs that came later started before the large gang", passed)
			}
			small.end()
			e.expectEvicted()
		})
	}
}

// A gang waits for a node on which something runs for a while. On the other one a job that ends before may go ahead, but
// not one that would still run then, nor one that does not say how long it runs. When the node comes free early, the
// gang starts early.
func TestBackfill(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	e.queue("q")
	running := e.gangIn("q", "running", 1, 1, cpu(2), expects(time.Minute))
	e.expectBound("running", 1)
	e.gangIn("q", "large", 2, 2, cpu(2), expects(time.Minute))
	e.expectReason(gangs.Unschedulable, 1)
	e.gangIn("q", "long", 1, 1, cpu(1), expects(time.Hour))
	e.gangIn("q", "unknown", 1, 1, cpu(1))
	e.expectReason(gangs.Reserved, 2)
	e.gangIn("q", "short", 1, 1, cpu(2), expects(10*time.Second), runs(time.Second))
	e.expectBound("short", 1)
	e.expectAtRest(map[string]int{"large": 0, "long": 0, "unknown": 0, "running": 1, "short": 0})
	e.expectEvent("PodGroup", "long", string(gangs.Reserved), e.namespace+"/large")
	e.mayBreak("running")
	e.force(running...)
	e.expectBound("large", 2)
	e.expectReason(gangs.Unschedulable, 2)
	e.expectAtRest(map[string]int{"large": 2, "long": 0, "unknown": 0})
	e.expectEvicted()
}

// What serves requests goes past the reservation of a gang of lower priority in another queue; a job of the same priority
// does not.
func TestServersPassReservations(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	e.queue("jobs")
	e.queue("servers")
	e.gangIn("jobs", "running", 1, 1, cpu(2), expects(time.Minute))
	e.expectBound("running", 1)
	e.gangIn("jobs", "large", 2, 2, cpu(2), expects(time.Minute))
	e.expectReason(gangs.Unschedulable, 1)
	high := e.withPriority(100)
	e.gangIn("servers", "job", 1, 1, cpu(2), high)
	e.expectReason(gangs.Reserved, 1)
	e.gangIn("servers", "server", 1, 1, cpu(2), high, func(p *corev1.Pod) {
		p.Annotations = map[string]string{schedulingv1alpha1.ReservationAnnotation: schedulingv1alpha1.ReservationIgnore}
	})
	e.expectBound("server", 1)
	e.expectAtRest(map[string]int{"running": 1, "large": 0, "job": 0, "server": 1})
	e.expectEvicted()
}

// What runs says too little about how long it runs. The reservation holds: what comes free early stays kept, and the gang
// starts when the last job is gone.
func TestReservationSurvivesWrongEstimates(t *testing.T) {
	e := setUp(t, nodes(2, cpu(1))...)
	e.queue("q")
	liars := e.gangIn("q", "a", 1, 1, cpu(1), expects(time.Second))
	liars = append(liars, e.gangIn("q", "b", 1, 1, cpu(1), expects(time.Second))...)
	e.expectBound("a", 1)
	e.expectBound("b", 1)
	e.gangIn("q", "large", 2, 2, cpu(1), expects(time.Minute))
	e.expectReason(gangs.Unschedulable, 1)
	e.gangIn("q", "small", 1, 1, cpu(1), expects(time.Minute))
	e.mayBreak("a")
	e.mayBreak("b")
	e.force(liars[0])
	e.expectReason(gangs.Reserved, 1)
	e.expectAtRest(map[string]int{"large": 0, "small": 0, "b": 1})
	e.force(liars[1])
	e.expectBound("large", 2)
}

// A gang of higher priority waits for quota, and gangs of lower priority of its queue fit beneath the limit. They may go
// ahead for as long as patience lasts, and not for ever.
func TestPatienceWithQuota(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.configure("Queue", map[string]any{"patience": "2s"})
	e.queue("q", limit(cpu(3)), minRuntime(time.Hour))
	first := e.gangIn("q", "first", 2, 2, cpu(1))
	e.expectBound("first", 2)
	e.gangIn("q", "high", 3, 3, cpu(1), e.withPriority(100))
	e.expectEvent("PodGroup", "high", string(gangs.QuotaExceeded), "2 of 3 cpu in use, 3 more asked") // told after two seconds
	e.gangIn("q", "low", 1, 1, cpu(1))
	e.expectEvent("PodGroup", "low", string(gangs.QuotaExceeded), e.namespace+"/high goes first")
	e.expectAtRest(map[string]int{"first": 2, "high": 0, "low": 0})
	e.mayBreak("first")
	e.force(first...)
	e.expectBound("high", 3)
	e.expectReason(gangs.QuotaExceeded, 1)
	e.expectEvicted()
}

// E3: hundreds of gangs that find no room stand ahead of a pod that fits. They are judged as one, and the pod starts.
func TestManyWaitAheadOfOneThatFits(t *testing.T) {
	const many = 200
	e := setUp(t, node("node", corev1.ResourceList{corev1.ResourceCPU: quantity("4"), gpuResource: quantity("1")}))
	e.queue("q")
	e.gangIn("q", "holder", 1, 1, gpu(1))
	e.expectBound("holder", 1)
	e.jobsIn("q", "stuck", many, gpu(1))
	e.expectReason(gangs.Unschedulable, many)
	before := planned(e)
	e.createPods(pod("fits", "", cpu(1), e.ofQueue("q")))
	e.expectPodBound("fits")
	e.round()
	if plans := planned(e) - before; plans > 20 {
		t.Errorf("%d plans were made for %d equal gangs and two single pods", plans, many)
	}
	e.expectAtRest(map[string]int{"holder": 1})
	e.force(e.seen("holder-0"))
	e.expectJobs("stuck", many, 1)
}

// planned is how many plans the scheduler has made since it started.
func planned(e *env) (plans int) {
	e.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	e.do(err)
	for _, family := range families {
		if family.GetName() == "muster_plan_duration_seconds" {
			for _, metric := range family.GetMetric() {
				plans += int(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return plans
}
