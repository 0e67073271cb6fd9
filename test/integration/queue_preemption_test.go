package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// C1, C3, C5, C6, C7: in one queue a gang of higher priority takes what gangs of lower priority can spare, or one of them
// whole, and never anything in vain or of another queue.
func TestPreemptionInQueue(t *testing.T) {
	for name, c := range map[string]queueCase{
		"C1 surplus first": {
			nodes: nodes(4, cpu(1)),
			given: func(e *env) {
				e.queue("q")
				e.gangIn("q", "low", 2, 4, cpu(1))
				e.expectBound("low", 4)
			},
			then:    func(e *env) { e.gangIn("q", "high", 2, 2, cpu(1), e.withPriority(100)) },
			want:    map[string]int{"low": 2, "high": 2},
			evicted: []string{"low-2", "low-3"},
		},
		"C5 victims in another queue": {
			nodes: nodes(4, cpu(1)),
			given: func(e *env) {
				e.queue("q")
				e.queue("other")
				e.gangIn("other", "low", 2, 4, cpu(1))
				e.expectBound("low", 4)
			},
			then: func(e *env) {
				e.gangIn("q", "high", 2, 2, cpu(1), e.withPriority(100))
				e.expectReason(gangs.Unschedulable, 1)
			},
			want: map[string]int{"low": 4, "high": 0},
		},
		"C6 equal priority": {
			nodes: nodes(4, cpu(1)),
			given: func(e *env) {
				e.queue("q")
				e.gangIn("q", "low", 2, 4, cpu(1))
				e.expectBound("low", 4)
			},
			then: func(e *env) {
				e.gangIn("q", "high", 2, 2, cpu(1))
				e.expectReason(gangs.Unschedulable, 1)
			},
			want: map[string]int{"low": 4, "high": 0},
		},
		"C7 a higher and a lower": {
			nodes: nodes(4, cpu(1)),
			given: func(e *env) {
				e.queue("q")
				e.gangIn("q", "a", 2, 2, cpu(1), e.withPriority(200))
				e.gangIn("q", "b", 2, 2, cpu(1))
				e.expectBound("a", 2)
				e.expectBound("b", 2)
			},
			then: func(e *env) {
				e.gangIn("q", "medium", 4, 4, cpu(1), e.withPriority(100))
				e.expectReason(gangs.Unschedulable, 1)
			},
			want: map[string]int{"a": 2, "b": 2, "medium": 0},
		},
		"for quota alone": {
			nodes: nodes(8, cpu(1)),
			given: func(e *env) {
				e.queue("q", limit(cpu(4)))
				e.gangIn("q", "low", 2, 4, cpu(1))
				e.expectBound("low", 4)
			},
			then:    func(e *env) { e.gangIn("q", "high", 2, 2, cpu(1), e.withPriority(100)) },
			want:    map[string]int{"low": 2, "high": 2},
			evicted: []string{"low-2", "low-3"},
		},
	} {
		t.Run(name, c.run)
	}
}

// C3: of two gangs that can spare nothing exactly one goes, and when its pods are made again they wait and drive nobody
// out in turn.
func TestPreemptsOneOfTwoTightGangs(t *testing.T) {
	e := setUp(t, nodes(4, cpu(1))...)
	e.queue("q")
	e.gangIn("q", "a", 2, 2, cpu(1))
	e.expectBound("a", 2)
	e.nextSecond()
	younger := e.gangIn("q", "b", 2, 2, cpu(1))
	e.expectBound("b", 2)
	e.gangIn("q", "high", 2, 2, cpu(1), e.withPriority(100))
	e.expectBound("high", 2)
	e.expectGone(younger...) // it has run for less
	e.createPods(members("b", 2, cpu(1))...)
	e.expectReason(gangs.Unschedulable, 1)
	e.expectAtRest(map[string]int{"a": 2, "b": 0, "high": 2})
	e.expectEvicted("b-0", "b-1")
}

// C17: a gang is no victim before it has run for the minRuntime that a queue above its own sets, its surplus neither;
// afterwards it is, without anything else happening.
func TestPreemptionWaitsForMinRuntime(t *testing.T) {
	e := setUp(t, nodes(2, cpu(1))...)
	e.queue("top", minRuntime(5*time.Second))
	e.queue("q", e.below("top"))
	e.gangIn("q", "low", 1, 2, cpu(1))
	e.expectBound("low", 2)
	e.gangIn("q", "high", 1, 1, cpu(1), e.withPriority(100))
	e.expectReason(gangs.Unschedulable, 1)
	e.expectEvicted()
	e.expectBound("high", 1)
	e.expectAtRest(map[string]int{"low": 1, "high": 1})
	e.expectEvicted("low-1")
	for _, p := range shared.watcher.goneFrom(e.namespace) {
		for _, c := range p.Status.Conditions {
			if c.Type != corev1.DisruptionTarget {
				continue
			}
			// Both times are told in whole seconds.
			if ran := c.LastTransitionTime.Sub(p.Status.StartTime.Time); ran < 4*time.Second {
				t.Errorf("%s had run for %s when it was evicted", p.Name, ran)
			}
		}
	}
}

// The scheduler is killed when victims have been told to leave and are still there. The next one waits for the same
// victims, evicts nobody else, and the gang for which they leave is the one that starts.
func TestKilledWhileVictimsLeave(t *testing.T) {
	e := setUp(t, nodes(4, cpu(1))...)
	e.queue("giver", guarantee(cpu(1)))
	e.queue("taker", guarantee(cpu(3)))
	e.jobsIn("giver", "job", 4, cpu(1), lingers)
	e.expectJobs("job", 4, 4)
	e.gangIn("taker", "claim", 2, 2, cpu(1))
	e.eventually("two pods are told to leave", func(context.Context) (bool, string) {
		return len(e.evicted()) == 2, fmt.Sprint(e.evicted())
	})
	shared.cluster.KillScheduler()
	e.startScheduler("")
	e.expectReason(gangs.MakingRoom, 1)
	for range rounds {
		e.round()
	}
	victims := e.evicted()
	if len(victims) != 2 {
		t.Fatalf("evicted were %v, want two", victims)
	}
	e.gangIn("giver", "rival", 1, 1, cpu(1))
	for _, name := range victims {
		e.round()
		e.expectNoneBound("claim") // one of two nodes is not enough
		e.expectNoneBound("rival") // and kept all the same
		e.force(e.seen(name))
	}
	e.expectAtRest(map[string]int{"claim": 2, "rival": 0})
	e.expectJobs("job", 4, 2)
	e.expectEvicted(victims...)
}
