package state

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

func explained(t *testing.T, r *Registry, kind, name string) explain.Gang {
	t.Helper()
	r.Changed()
	g, known := r.Explain(kind, "ns", name)
	if !known {
		t.Fatalf("%s %s is not known", kind, name)
	}
	return g
}

func TestExplainAGangThatWaitsForQuota(t *testing.T) {
	r, c := newTestRegistry()
	setQueues(t, r, queue("top", "3"), below(queue("a", ""), "top"))
	r.SetPodGroup(in("a", "first", 2))
	x, y := pod("first", "x"), pod("first", "y")
	r.SetPod(x)
	r.SetPod(y)
	run(t, r, x, y)
	c.pass(time.Minute)
	for _, name := range []string{"second", "third"} {
		pg := in("a", name, 2)
		pg.CreationTimestamp = metav1.Time{Time: c.now}
		r.SetPodGroup(pg)
		r.SetPod(pod(name, name+"-0"))
		r.SetPod(pod(name, name+"-1"))
		c.pass(time.Minute)
	}
	g := explained(t, r, explain.KindPod, "third-1")
	want := explain.Gang{
		Namespace: "ns", Name: "third", Kind: explain.KindPodGroup, Queue: "a", Chain: []string{"a", "top"},
		Reason: gang.QuotaExceeded, Message: "queue top: 2 of 3 cpu in use, 2 more asked",
		Since: g.Since, Created: epoch.Add(2 * time.Minute), MinMember: 2, Members: 2,
		Asked: resource.Amounts{"cpu": 2000, "pods": 2}, Position: 2, WaitingInQueue: 2,
		Hints: []string{"1 cpu less used in queue top: with this gang it is that much over its limit"},
	}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("third (-want +got):\n%s", diff)
	}
	if g.Since.Before(g.Created) || g.Since.After(c.now) {
		t.Errorf("it has waited since %s, want a time since it was created", g.Since)
	}
}

func TestExplainAGangThatRuns(t *testing.T) {
	r, c := newTestRegistry()
	pg := podGroup("g", 2, "")
	pg.Annotations = map[string]string{schedulingv1alpha1.ExpectedRuntimeAnnotation: "1h"}
	r.SetPodGroup(pg)
	x, y := pod("g", "x"), pod("g", "y")
	r.SetPod(x)
	r.SetPod(y)
	run(t, r, x, y)
	for i, p := range []*corev1.Pod{x, y} {
		running := on(p, "n")
		running.Status.StartTime = &metav1.Time{Time: epoch.Add(time.Duration(i+1) * time.Minute)}
		set(r, running)
	}
	// It grows: the third pod does not count for when it started.
	z := pod("g", "z")
	r.SetPod(z)
	c.pass(time.Hour)
	g := explained(t, r, explain.KindPodGroup, "g")
	if !g.Started.Equal(epoch.Add(2*time.Minute)) || !g.ExpectedEnd.Equal(epoch.Add(62*time.Minute)) {
		t.Errorf("it runs from %s to %s, want from when its second pod started", g.Started, g.ExpectedEnd)
	}
	if g.Reason != gang.None || !g.Since.IsZero() || g.Position != 0 || g.Running != 2 || g.Members != 3 || g.ExpectedRuntimeSeconds != 3600 {
		t.Errorf("it is %+v", g)
	}
	if diff := cmp.Diff(resource.Amounts{"cpu": 2000, "pods": 2}, g.Asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	fail(t, r, z, noRoom(dispatch.WhenItFits))
	g = explained(t, r, explain.KindPod, "z")
	if g.Kind != explain.KindPodGroup || g.Reason != gang.Unschedulable || !strings.Contains(g.Message, "pod z is beyond the minimum") || g.Position != 1 {
		t.Errorf("the third pod is %s, waits for %q (%s) at %d", g.Kind, g.Reason, g.Message, g.Position)
	}
}

func TestExplainRoomThatIsKept(t *testing.T) {
	r, c := newTestRegistry()
	r.SetPodGroup(podGroup("g", 1, ""))
	p := pod("g", "p")
	r.SetPod(p)
	start := c.now.Add(time.Hour)
	outcome := noRoom(dispatch.WhenItFits)
	outcome.Hold = &reservation.Hold{Made: c.now, Start: start, Amount: map[string]resource.Amounts{"m": {"cpu": 1}, "n": {"cpu": 1}}}
	outcome.Start = reservation.Start{Result: gang.Placed, Known: true, At: start}
	fail(t, r, p, outcome)
	g := explained(t, r, explain.KindPodGroup, "g")
	if diff := cmp.Diff(&explain.Reservation{Known: true, Start: start, Nodes: []string{"m", "n"}}, g.Reservation); diff != "" || g.MakingRoom != nil {
		t.Errorf("reservation (-want +got):\n%s; making room: %v", diff, g.MakingRoom)
	}
}

func TestExplainVictimsThatAreLeaving(t *testing.T) {
	r, c := newTestRegistry()
	r.SetPodGroup(podGroup("v", 1, ""))
	v, w := pod("v", "v0"), pod("v", "v1")
	r.SetPod(v)
	run(t, r, v)
	set(r, on(w, "n")) // Bound by hand, beyond the minimum.
	c.pass(time.Minute)
	r.SetPodGroup(podGroup("g", 1, ""))
	p := pod("g", "p")
	r.SetPod(p)
	for _, tc := range []struct {
		gone  []types.UID
		whole bool
	}{{[]types.UID{"v1"}, false}, {[]types.UID{"v0", "v1"}, true}} {
		outcome := noRoom(dispatch.WhenItFits)
		outcome.Verdict = gang.Verdict{Reason: gang.MakingRoom, Message: "pods are leaving"}
		outcome.Victims = tc.gone
		outcome.Hold = &reservation.Hold{Gang: gangKey("g").id(), Made: c.now, Start: c.now, Amount: map[string]resource.Amounts{"n": {"cpu": 1000}}}
		if standing, _, _ := r.Standing(p); standing == Leading {
			fail(t, r, p, outcome)
		} else { // The second decision comes while the first is under way.
			r.Spared("v1", "spared")
			c.pass(time.Hour)
			r.Tick()
			fail(t, r, p, outcome)
		}
		g := explained(t, r, explain.KindPodGroup, "g")
		if g.MakingRoom == nil || g.Reservation != nil || g.Reason != gang.MakingRoom {
			t.Fatalf("it waits for %s, makes room: %v, reservation: %v", g.Reason, g.MakingRoom, g.Reservation)
		}
		want := []explain.Victim{{Namespace: "ns", Name: "v", Kind: explain.KindPodGroup, Queue: "default", Pods: len(tc.gone), Whole: tc.whole}}
		if diff := cmp.Diff(want, g.MakingRoom.Victims); diff != "" {
			t.Errorf("victims (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"n"}, g.MakingRoom.Nodes); diff != "" {
			t.Errorf("nodes (-want +got):\n%s", diff)
		}
	}
}

func TestExplainKnowsNothingOfOthers(t *testing.T) {
	r, _ := newTestRegistry()
	alone := pod("", "alone")
	r.SetPod(alone)
	if g := explained(t, r, explain.KindPod, "alone"); g.Kind != explain.KindPod || g.MinMember != 1 || g.Reason != gang.NotYetPlanned {
		t.Errorf("the pod is %+v", g)
	}
	for _, kind := range []string{explain.KindPod, explain.KindPodGroup} {
		if _, known := r.Explain(kind, "ns", "nobody"); known {
			t.Errorf("%s nobody is known", kind)
		}
	}
	if _, known := r.Explain(explain.KindPodGroup, "ns", "alone"); known {
		t.Error("a pod is known as a PodGroup")
	}
}

// supposed is a pod of a question.
func supposed(gang string, i int) *corev1.Pod {
	p := pod(gang, string(rune('a'+i)))
	p.UID = types.UID("supposed-" + p.Name)
	return p
}

func TestSuppose(t *testing.T) {
	r, c := newTestRegistry()
	stopped, picky := queue("stopped", ""), queue("picky", "")
	stopped.Spec.Stop = schedulingv1alpha1.StopHold
	picky.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
	setQueues(t, r, queue("small", "1"), queue("full", "2"), stopped, picky, below(queue("child", ""), "stopped"))
	r.SetPodGroup(in("full", "runs", 2))
	x, y := pod("runs", "x"), pod("runs", "y")
	r.SetPod(x)
	r.SetPod(y)
	run(t, r, x, y)
	c.pass(time.Minute)
	for _, tc := range []struct {
		queue      string
		pods       int
		annotation string
		reason     gang.Reason
		never      bool
		over       bool
	}{
		{queue: "default", pods: 2},
		{queue: "nowhere", pods: 2, reason: gang.QueueNotFound, never: true},
		{queue: "stopped", pods: 2, reason: gang.Misconfigured, never: true},
		{queue: "child", pods: 2, reason: gang.QueueStopped},
		{queue: "picky", pods: 2, reason: gang.NamespaceNotAllowed, never: true},
		{queue: "small", pods: 2, reason: gang.ExceedsLimit, never: true},
		{queue: "default", pods: 1, reason: gang.WaitingForMembers},
		{queue: "full", pods: 2, over: true},
		{queue: "default", pods: 2, annotation: "soon", reason: gang.Misconfigured, never: true},
	} {
		pg := in(tc.queue, "g", 2)
		if tc.annotation != "" {
			pg.Annotations = map[string]string{schedulingv1alpha1.ExpectedRuntimeAnnotation: tc.annotation}
		}
		var pods []*corev1.Pod
		for i := range tc.pods {
			pods = append(pods, supposed("g", i))
		}
		s := r.Suppose(pg, pods)
		if s.Verdict.Reason != tc.reason || s.Never != tc.never || (s.Request.Over != nil) != tc.over {
			t.Errorf("in queue %s: %+v, never %t, over %v; want %q, %t, over %t", tc.queue, s.Verdict, s.Never, s.Request.Over, tc.reason, tc.never, tc.over)
		}
		if s.Request.Queue != tc.queue {
			t.Errorf("it is supposed to be in queue %s, want %s", s.Request.Queue, tc.queue)
		}
		if tc.reason == gang.None && (len(s.Request.Pods) != 2 || s.Request.Need.Total != 2 || s.Request.Amount["cpu"] != 2000 || s.Place != 1) {
			t.Errorf("in queue %s: %d pods, need %v, amount %v, place %d", tc.queue, len(s.Request.Pods), s.Request.Need, s.Request.Amount, s.Place)
		}
	}
	if _, exists := r.View(gangKey("g")); exists || r.line.Waiting() != 0 {
		t.Error("a gang that was only supposed is in the registry")
	}
}

func TestSupposeASinglePodByItsNamespace(t *testing.T) {
	r, _ := newTestRegistry()
	setQueues(t, r, queue("team", ""))
	r.SetNamespace("ns", labels.Set{schedulingv1alpha1.QueueLabel: "team"})
	s := r.Suppose(nil, []*corev1.Pod{prioritized(supposed("", 0), 7)})
	if s.Verdict.Reason != gang.None || s.Request.Queue != "team" || s.Request.Priority != 7 || s.Request.Need.Total != 1 || !s.Request.Key.Single() {
		t.Errorf("supposed is %+v", s)
	}
}

func TestHints(t *testing.T) {
	r, c := newTestRegistry()
	setQueues(t, r, queue("small", "1"))
	request := func(queue string, count int, cpu int64, firm bool) Request {
		one := resource.Amounts{"cpu": cpu, "pods": 1}
		all := resource.Amounts{"cpu": cpu * int64(count), "pods": int64(count)}
		return Request{Turn: dispatch.Turn{Gang: dispatch.Gang{
			ID: "?", Queue: queue, Amount: all, Firm: firm, Members: []dispatch.Members{{Count: count, Amount: one}},
		}}}
	}
	for _, tc := range []struct {
		request Request
		reason  gang.Reason
		usable  map[string]bool
		want    string
	}{
		{request("small", 2, 1000, false), gang.ExceedsLimit, nil, "a limit of 2 cpu or more for queue small, where it is 1 now"},
		{request("small", 1, 1000, true), gang.ExceedsLimit, nil, "without the annotation scheduling.muster.dev/preemptible"},
		{request("default", 3, 40000, false), gang.Unschedulable, nil, "20 more cpu free, for 1 pod of 40 on one node"},
		{request("default", 4, 40000, false), gang.Unschedulable, nil, "60 more cpu free, for 2 pods of 40"},
		{request("default", 1, 200000, false), gang.ExceedsCluster, nil, "nodes of 200 cpu: a pod asks for that much, and the largest node has 100"},
		{request("default", 1, 1000, false), gang.Unschedulable, map[string]bool{}, "a node that accepts its pods"},
	} {
		hints := r.Hints(tc.request, tc.reason, tc.usable)
		if len(hints) == 0 || !strings.HasPrefix(hints[0], tc.want) {
			t.Errorf("for %s: %q, want %q", tc.reason, hints, tc.want)
		}
	}
	r.SetPodGroup(podGroup("g", 1, ""))
	p := pod("g", "p")
	r.SetPod(p)
	outcome := noRoom(dispatch.WhenItFits)
	start := c.now.Add(time.Hour)
	outcome.Hold = &reservation.Hold{Made: c.now, Start: start, Amount: map[string]resource.Amounts{"n": {"cpu": 1000}}}
	outcome.Start = reservation.Start{Result: gang.Placed, Known: true, At: start}
	fail(t, r, p, outcome)
	hints := r.Hints(request("default", 1, 1000, false), gang.Reserved, nil)
	if len(hints) != 1 || !strings.HasPrefix(hints[0], "a run time that is over before 2026-01-01T01:00:00Z") {
		t.Errorf("where room is kept: %q", hints)
	}
}

func TestAQuestionGoesFirstButForPlans(t *testing.T) {
	r, _ := newTestRegistry()
	urgent := prioritized(pod("", "urgent"), 1000)
	r.SetPod(urgent)
	wantAdmitted(t, r, urgent, true)
	question, second := r.Ask(), r.Ask()
	if !r.IsQuestion(question.UID) || r.IsQuestion(urgent.UID) || question.UID == second.UID {
		t.Error("a question is not told from a pod, or from another question")
	}
	if !r.Less(question, urgent) {
		t.Error("a question has to wait for a pod")
	}
	r.order.freeze("planned", order{committing: true, sequence: 999})
	planned := pod("", "planned")
	if r.Less(question, planned) {
		t.Error("a question comes between the members of a plan")
	}
	r.Answered(question.UID)
	if r.IsQuestion(question.UID) || !r.IsQuestion(second.UID) {
		t.Error("one question is to be forgotten, and only that")
	}
}

// After a restart pods may be told before their PodGroup, which says how long they run.
func TestRunTimesAreKnownAfterARestart(t *testing.T) {
	r, _ := newTestRegistry()
	set(r, on(pod("g", "p"), "n"))
	pg := podGroup("g", 1, "")
	pg.Annotations = map[string]string{schedulingv1alpha1.ExpectedRuntimeAnnotation: "1h"}
	r.SetPodGroup(pg)
	table := resource.NewTable("cpu")
	if uses := r.Outlook(Request{}, table, []string{"n"}).Nodes[0].Uses; len(uses) != 1 || !uses[0].Until.Equal(epoch.Add(time.Hour)) {
		t.Errorf("uses are %+v, want one for an hour", uses)
	}
}
