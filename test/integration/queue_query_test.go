package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/cmd/kubectl-muster/query"
	"github.com/muster-scheduling/muster/internal/explain"
	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// scheduler finds the scheduler as kubectl-muster does.
func (e *env) scheduler() *query.Client {
	e.Helper()
	scheduler, err := query.Connect(e.Context(), query.Target{Config: shared.cluster.RESTConfig()})
	e.do(err)
	e.Cleanup(scheduler.Close)
	return scheduler
}

// whatIf asks about a gang in a queue of the test, all of whose pods have to start together.
func (e *env) whatIf(queue, name string, n int, request corev1.ResourceList, edits ...func(*corev1.Pod)) explain.Answer {
	e.Helper()
	pg := podGroup(name, int32(n), e.inQueue(queue))
	pg.Namespace = e.namespace
	question := explain.Question{PodGroup: pg}
	for _, p := range members(name, n, request, edits...) {
		p.Namespace = e.namespace
		question.Pods = append(question.Pods, *p)
	}
	answer, err := e.scheduler().WhatIf(e.Context(), question)
	e.do(err)
	return answer
}

// nodesOf counts the bound pods of a gang on each node.
func (e *env) nodesOf(gang string) map[string]int {
	counts := map[string]int{}
	for _, p := range e.boundPods(gang) {
		counts[p.Spec.NodeName]++
	}
	return counts
}

func placesOf(answer explain.Answer) map[string]int {
	counts := map[string]int{}
	for _, place := range answer.Placement {
		counts[place.Node] += place.Count
	}
	return counts
}

// Whatever the answer is, nothing happens because of the question; and when the gang is created, what was said comes true.
func TestWhatIfSaysWhatThenHappens(t *testing.T) {
	e := setUp(t, nodes(4, gpu(8))...)
	e.queue("team", guarantee(gpu(16)), limit(gpu(24)))
	e.queue("other")
	e.gangIn("other", "fixed", 2, 2, gpu(8))
	e.expectBound("fixed", 2)

	now := e.whatIf("team", "small", 2, gpu(4))
	if now.Verdict != explain.StartsNow || len(placesOf(now)) == 0 || now.Queue != e.queueName("team") {
		t.Fatalf("a gang that fits: %+v", now)
	}
	e.gangIn("team", "small", 2, 2, gpu(4))
	e.expectBound("small", 2)
	if got, said := e.nodesOf("small"), placesOf(now); !maps.Equal(got, said) {
		t.Errorf("it was placed on %v, and said to be on %v", got, said)
	}

	never := e.whatIf("team", "huge", 4, gpu(8))
	if never.Verdict != explain.Never || never.Reason != gangs.ExceedsLimit {
		t.Errorf("a gang above the limit: %+v", never)
	}
	if lost := e.whatIf("nobody's", "lost", 1, gpu(1)); lost.Verdict != explain.Never || lost.Reason != gangs.QueueNotFound {
		t.Errorf("a gang of a queue that does not exist: %+v", lost)
	}
	if large := e.whatIf("other", "large", 5, gpu(8)); large.Verdict != explain.Never || large.Reason != gangs.ExceedsCluster {
		t.Errorf("a gang larger than the cluster: %+v", large)
	}
	if over := e.whatIf("team", "over", 3, gpu(8)); over.Verdict != explain.Later || over.Reason != gangs.QuotaExceeded || len(over.Hints) == 0 {
		t.Errorf("a gang over the limit for now: %+v", over)
	}
	if waits := e.whatIf("other", "waits", 2, gpu(8)); waits.Verdict != explain.Later || waits.Reason != gangs.Unschedulable || waits.Known || waits.Position != 1 {
		t.Errorf("a gang without room: %+v", waits)
	}
	e.expectEvicted()
	if got := len(shared.watcher.in(e.namespace)); got != 4 {
		t.Errorf("there are %d pods, want the 4 that were created", got)
	}
}

func TestWhatIfNamesTheVictims(t *testing.T) {
	e := setUp(t, nodes(2, gpu(8))...)
	e.queue("owner", guarantee(gpu(8)))
	e.queue("guest")
	e.gangIn("guest", "old", 1, 1, gpu(8))
	e.expectBound("old", 1)
	e.nextSecond()
	young := e.gangIn("guest", "young", 1, 1, gpu(8), lingers)
	e.expectBound("young", 1)
	e.eventually("both have run for a while", func(ctx context.Context) (bool, string) {
		answer := e.whatIf("owner", "claims", 1, gpu(8))
		return answer.Verdict == explain.AfterEvictions && len(answer.Victims) == 1 && answer.Victims[0].LostGPUSeconds > 0, fmt.Sprintf("%+v", answer)
	})
	answer := e.whatIf("owner", "claims", 1, gpu(8))
	victim := answer.Victims[0]
	if victim.Name != "young" || victim.Namespace != e.namespace || !victim.Whole || victim.Pods != 1 || answer.Ratio != 1 {
		t.Fatalf("the answer is %+v", answer)
	}
	e.expectEvicted()

	claimants := e.gangIn("owner", "claims", 1, 1, gpu(8))
	e.eventually("the gang waits for who was named", func(ctx context.Context) (bool, string) {
		gang, err := e.scheduler().Gang(ctx, explain.KindPod, e.namespace, "claims-0")
		if err != nil {
			return false, err.Error()
		}
		room := gang.MakingRoom
		return gang.Reason == gangs.MakingRoom && room != nil && len(room.Victims) == 1 && room.Victims[0].Name == "young" &&
			slices.Equal(room.Nodes, slices.Sorted(maps.Keys(placesOf(answer)))), fmt.Sprintf("%+v", gang)
	})
	e.eventually("who was named is evicted, and nobody else", func(context.Context) (bool, string) {
		evicted := e.evicted()
		return slices.Equal(evicted, []string{"young-0"}), fmt.Sprint(evicted)
	})
	e.force(young...)
	e.expectPodBound(claimants[0].Name)
	gang, err := e.scheduler().Gang(t.Context(), explain.KindPodGroup, e.namespace, "claims")
	e.do(err)
	if gang.Reason != gangs.None || gang.Running != 1 || gang.Queue != e.queueName("owner") {
		t.Errorf("when it runs it is %+v", gang)
	}
}

func TestExplainAndWhatIfForetellAReservation(t *testing.T) {
	e := setUp(t, nodes(2, gpu(8))...)
	e.queue("team")
	e.gangIn("team", "runs", 1, 1, gpu(8), expects(time.Hour))
	e.expectBound("runs", 1)
	answer := e.whatIf("team", "wide", 2, gpu(8))
	if answer.Verdict != explain.Later || !answer.Known || answer.Start.Before(time.Now().Add(50*time.Minute)) || len(placesOf(answer)) != 2 {
		t.Errorf("a gang that has to wait for an hour: %+v", answer)
	}
	e.gangIn("team", "wide", 2, 2, gpu(8))
	e.eventually("room is kept for it", func(ctx context.Context) (bool, string) {
		gang, err := e.scheduler().Gang(ctx, explain.KindPodGroup, e.namespace, "wide")
		if err != nil {
			return false, err.Error()
		}
		kept := gang.Reservation
		return kept != nil && kept.Known && len(kept.Nodes) == 2 && len(gang.Hints) > 0 && strings.Contains(gang.Hints[0], "8 more"), fmt.Sprintf("%+v", gang)
	})
	behind := e.whatIf("team", "narrow", 1, gpu(8))
	if behind.Verdict != explain.Later || behind.Reason != gangs.Reserved || len(behind.Hints) == 0 {
		t.Errorf("a gang that would delay it: %+v", behind)
	}
	if brief := e.whatIf("team", "brief", 1, gpu(8), expects(time.Minute)); brief.Verdict != explain.StartsNow {
		t.Errorf("a gang that is over before: %+v", brief)
	}
	queues, err := e.scheduler().Queues(t.Context())
	e.do(err)
	at := slices.IndexFunc(queues.Queues, func(q explain.Queue) bool { return q.Name == e.queueName("team") })
	if at < 0 {
		t.Fatalf("the queue is not among %+v", queues.Queues)
	}
	if q := queues.Queues[at]; q.Admitted != 1 || q.Pending != 1 || q.Head == nil || q.Head.Name != "wide" || q.Usage["nvidia.com/gpu"] != 8 || queues.Capacity["nvidia.com/gpu"] != 16 {
		t.Errorf("the queue is %+v of a cluster of %v", q, queues.Capacity)
	}
	e.expectQueue("team", "says the same", func(q *schedulingv1alpha1.Queue) bool {
		used := q.Status.Allocated[gpuResource]
		return q.Status.AdmittedGangs == 1 && q.Status.PendingGangs == 1 && used.Value() == 8 && q.Status.Head != nil && q.Status.Head.Name == "wide"
	})
}

// An average of past usage outlives the scheduler, though what was used has ended before the next one starts.
func TestPastUsageOutlivesTheScheduler(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.configure("Queue", map[string]any{"usageHalfLife": "20s"})
	e.queue("team")
	pods := e.gangIn("team", "runs", 1, 1, cpu(8))
	e.expectBound("runs", 1)
	average := func() (milli int64, asOf time.Time) {
		q := &schedulingv1alpha1.Queue{}
		e.do(e.client.Get(e.Context(), client.ObjectKey{Name: e.queueName("team")}, q))
		if usage := q.Status.Usage; usage != nil {
			cpus := usage.Decayed[corev1.ResourceCPU]
			return cpus.MilliValue(), usage.AsOf.Time
		}
		return 0, time.Time{}
	}
	e.eventually("there is past usage", func(context.Context) (bool, string) {
		milli, asOf := average()
		return milli > 2000, fmt.Sprintf("%d milli-CPU as of %s", milli, asOf)
	})
	e.do(shared.cluster.StopScheduler())
	e.force(pods...)
	e.expectGone(pods...)
	before, written := average()
	e.do(shared.cluster.StartScheduler(e.Context()))
	e.eventually("the next scheduler goes on from it", func(context.Context) (bool, string) {
		milli, asOf := average()
		return asOf.After(written) && milli > 0 && milli < before, fmt.Sprintf("%d milli-CPU as of %s, after %d as of %s", milli, asOf, before, written)
	})
}
