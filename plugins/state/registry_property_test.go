package state

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// op is one thing that happens. What A, B and C mean depends on the kind; each is cut down to what is possible.
type op struct {
	Kind    string
	A, B, C int
}

var (
	gangNames  = []string{"g0", "g1", "g2"}
	queueNames = []string{"top", "qa", "qb", "default"}
	nodeNames  = []string{"n1", "n2", "n3"}
)

// history plays a script on a scheduler and checks the registry after each step.
type history struct {
	*scheduler
	script []op
	serial int
	// charged is what pods used of each queue after the last step; exempt is set where a step may push a queue above its
	// limit: it changed the limit, or whose the pods are.
	charged map[string]int64
	exempt  bool
}

// kinds are what may happen, some of it more often. Nothing comes first, so that scripts that fail can be cut down.
var kinds = []string{
	"", "create", "create", "create", "delete", "terminate", "succeed", "end", "spec", "spec", "no PodGroup", "bad PodGroup", "event",
	"cycle", "cycle", "cycle", "cycle", "bind", "bind", "time", "queue", "delete queue", "node", "delete node", "evict", "evict", "spare", "unfit",
}

func scripts() *rapid.Generator[[]op] {
	number := rapid.IntRange(0, 7)
	ops := rapid.Custom(func(t *rapid.T) op {
		return op{rapid.SampledFrom(kinds).Draw(t, "kind"), number.Draw(t, "A"), number.Draw(t, "B"), number.Draw(t, "C")}
	})
	return rapid.Map(rapid.SliceOfN(ops, 120, 120), func(script []op) []op {
		return slices.DeleteFunc(script, func(o op) bool { return o.Kind == "" })
	})
}

// Whatever happens in whatever order: nobody is let go below the minimum, one gang at a time has its turn, what is counted
// and charged is right, no queue goes above its limit, and when things calm down whoever can run does, everybody else has a
// reason, and nothing is left behind by what is gone.
func TestRegistryWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		script := scripts().Draw(t, "script")
		first, second := newHistory(t.Fatalf, script), newHistory(t.Fatalf, script)
		first.play()
		second.play()
		if !slices.Equal(first.log, second.log) {
			t.Fatalf("the same happened, and led once to\n%v\nand once to\n%v", first.log, second.log)
		}
	})
}

func newHistory(fatalf func(string, ...any), script []op) *history {
	return &history{scheduler: newScheduler(fatalf), script: script, charged: map[string]int64{}}
}

func (h *history) play() {
	h.node("n1", 4)
	h.setQueue("top", "", 8, 0, 0)
	h.setQueue("qa", "top", 6, 2, 0)
	h.setQueue("qb", "top", 0, 4, 0)
	h.apply(h.r.Open())
	for len(h.script) > 0 {
		h.step()
		h.check()
	}
	h.settle()
	h.checkRest()
	h.plenty()
	h.nothing()
}

// step plays the next op of the script.
func (h *history) step() {
	o := h.script[0]
	h.script = h.script[1:]
	h.happen(o)
}

// midway plays the next op in the middle of a cycle, unless it is a cycle itself.
func (h *history) midway(wanted bool) func() {
	return func() {
		if wanted && len(h.script) > 0 && h.script[0].Kind != "cycle" {
			h.step()
			h.check()
		}
	}
}

func pick[T any](from []T, n int) (choice T, ok bool) {
	if len(from) == 0 {
		return choice, false
	}
	return from[n%len(from)], true
}

func (h *history) happen(o op) {
	h.logf("%v", o)
	h.exempt = false
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(h.pods)), func(name string) bool { return name == h.flight && o.Kind != "delete" })
	switch o.Kind {
	case "create":
		if len(h.pods) < 12 {
			h.create(o)
		}
	case "delete":
		if name, ok := pick(all, o.A); ok {
			h.remove(name, o.B%2 == 0)
		}
	case "terminate":
		if name, ok := pick(h.in(running), o.A); ok {
			h.show(leaving(h.pods[name]))
		}
	case "succeed":
		if name, ok := pick(h.in(running), o.A); ok {
			h.succeed(name, o.B)
		}
	case "end":
		if name, ok := pick(h.in(running), o.A); ok {
			p := h.pods[name].DeepCopy()
			p.Status.Phase = corev1.PodFailed
			h.show(p)
			h.remove(name, o.B%2 == 0)
		}
	case "spec":
		h.spec(o)
	case "no PodGroup":
		h.apply(h.r.DeletePodGroup(gangKey(gangNames[o.A%3])))
		h.exempt = true
	case "bad PodGroup":
		h.apply(h.r.SetPodGroup(podGroup(gangNames[o.A%3], 0, "")))
		h.exempt = true
	case "event":
		h.event()
		if o.A%2 == 0 {
			h.apply(h.r.Reopen())
		}
	case "cycle":
		if name, ok := pick(h.in(active), o.A); ok {
			h.cycle(name, [...]luck{lucky, lucky, lucky, lucky, lucky, lucky, unlucky, broken}[o.B], h.midway(o.C&1 > 0), h.midway(o.C&2 > 0))
		}
	case "bind":
		if name, ok := pick(h.in(binding), o.A); ok {
			if o.B > 0 {
				h.bound(name)
			} else {
				h.giveBack(name)
				h.apply(h.r.Ended(types.UID(name), "the bind was refused"))
			}
		}
	case "time":
		h.clock.pass([...]time.Duration{1, 1, 2, 5, 10, 30, 60, 400}[o.A] * time.Second)
		h.apply(h.r.Tick())
	case "queue":
		h.setQueue(queueNames[o.A%4], [...]string{"", "top", "top", "", "top", "qa", "top", "top"}[o.B], int64(o.C), int64(o.B), o.A)
	case "delete queue":
		h.apply(h.r.DeleteQueue(queueNames[o.A%4]))
		h.exempt = true
	case "node":
		h.node(nodeNames[o.A%3], int64(o.B))
	case "delete node":
		delete(h.cpu, nodeNames[o.A%3])
		h.apply(h.r.DeleteNode(nodeNames[o.A%3]))
	case "evict":
		h.evict(o)
	case "spare":
		if uid, ok := pick(slices.Sorted(maps.Keys(h.r.victims)), o.A); ok {
			h.apply(h.r.Spared(uid, "its budget does not allow it"))
		}
	case "unfit":
		if name, ok := pick(h.in(waiting), o.A); ok { // It waited in Permit for too long.
			h.giveBack(name)
			h.apply(h.r.Ended(types.UID(name), "timed out"))
		}
	}
}

func (h *history) create(o op) {
	h.serial++
	gangName := [...]string{"g0", "g0", "g1", "g1", "g2", "g2", "", ""}[o.A]
	p := pod(gangName, fmt.Sprintf("p%02d", h.serial))
	p.CreationTimestamp = metav1.Time{Time: h.clock.now}
	p.Labels[schedulingv1alpha1.RoleLabel] = [...]string{"ps", "worker", "worker", "worker"}[o.B%4]
	if gangName == "" {
		p.Labels[schedulingv1alpha1.QueueLabel] = queueNames[1+o.B%3]
	}
	if o.C == 7 {
		p.Annotations = map[string]string{schedulingv1alpha1.PreemptibleAnnotation: "false"}
	}
	p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = *resource.NewQuantity(int64(1+o.C%2), resource.DecimalSI)
	prioritized(p, int32(o.C/3))
	h.pods[p.Name], h.at[p.Name] = p, parked
	// The registry's handler and the queue's run at the same time.
	if o.B < 4 {
		h.apply(h.r.SetPod(p))
		h.enqueue(p.Name)
	} else {
		h.enqueue(p.Name)
		h.apply(h.r.SetPod(p))
	}
	h.exempt = true // The label or the annotation may speak for others as well.
}

func (h *history) succeed(name string, order int) {
	p := h.pods[name]
	key, isMember := GangOf(p)
	if isMember && order%2 == 0 {
		h.apply(h.r.SetSucceeded(key, p.UID, RoleOf(p.Labels)))
	}
	h.remove(name, order%4 < 2)
	if isMember && order%2 == 1 {
		h.apply(h.r.SetSucceeded(key, p.UID, RoleOf(p.Labels)))
	}
}

func (h *history) spec(o op) {
	pg := podGroup(gangNames[o.A%3], int32(1+o.B%4), fmt.Sprintf(`{"ps":%d}`, o.B/4))
	pg.Labels = map[string]string{schedulingv1alpha1.QueueLabel: queueNames[1+o.C%3]}
	if o.C == 7 {
		pg.Annotations[schedulingv1alpha1.PreemptibleAnnotation] = "false"
	}
	h.apply(h.r.SetPodGroup(pg))
	h.exempt = true
}

func (h *history) setQueue(name, parent string, limit, guarantee int64, stop int) {
	q := queue(name, "")
	if name != parent && name != "top" {
		q.Spec.Parent = parent
	}
	if limit > 0 {
		q.Spec.Limit = cpus(limit)
	}
	if guarantee > 0 {
		q.Spec.Guarantee = cpus(guarantee)
	}
	if stop == 7 {
		q.Spec.Stop = schedulingv1alpha1.StopHold
	}
	effects, err := h.r.SetQueue(q)
	if err != nil {
		h.fatalf("%v", err)
	}
	h.apply(effects)
	h.exempt = true
}

func cpus(n int64) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(n, resource.DecimalSI)}
}

func (h *history) node(name string, n int64) {
	h.cpu[name] = 1000 * n
	h.apply(h.r.SetNode(node(name, fmt.Sprint(n))))
}

// evict lets victims leave: first they are told to, then they are gone.
func (h *history) evict(o op) {
	uid, ok := pick(slices.Sorted(maps.Keys(h.r.victims)), o.A)
	if name := string(uid); ok && h.at[name] == running {
		if h.pods[name].DeletionTimestamp == nil {
			h.show(leaving(h.pods[name]))
		} else {
			h.remove(name, o.B%2 == 0)
		}
	}
}

// settle lets everything happen that has to, until nothing does any more.
func (h *history) settle() {
	for range 60 {
		h.clock.pass(11 * time.Second)
		h.apply(h.r.Tick())
		h.check()
		for _, name := range h.in(running) {
			if h.pods[name].DeletionTimestamp != nil {
				h.remove(name, true)
			}
		}
		for _, uid := range slices.Sorted(maps.Keys(h.r.victims)) {
			if h.at[string(uid)] == running {
				h.remove(string(uid), true)
			}
		}
		for range 20 {
			for _, name := range h.in(active) {
				if h.at[name] == active {
					h.cycle(name, lucky, func() {}, func() {})
					h.check()
				}
			}
			for _, name := range h.in(binding) {
				h.bound(name)
			}
		}
	}
	if left := slices.Concat(h.in(active), h.in(waiting), h.in(binding)); len(left) > 0 {
		h.fatalf("%v never come to rest", left)
	}
}

// plenty takes all limits away and gives room to everybody.
func (h *history) plenty() {
	for _, name := range gangNames {
		if e := h.r.gangs[gangKey(name)]; e != nil {
			h.spec(op{A: int(name[1] - '0'), C: 0})
		}
	}
	for _, name := range queueNames[1:] {
		h.setQueue(name, "", 0, 900, 0)
	}
	h.setQueue("top", "", 0, 0, 0)
	h.node("n3", 1000)
	h.settle()
	for _, name := range slices.Sorted(maps.Keys(h.pods)) {
		e := h.r.gangs[KeyOf(h.pods[name])]
		if h.at[name] != running && (e.judgeable() && e.spec.Shortage(e.count[held], e.count[ready]) == "") {
			h.fatalf("pod %s waits though there is plenty: %+v", name, e.verdict(h.clock.now))
		}
	}
}

// nothing deletes everything, and checks that nothing is left.
func (h *history) nothing() {
	for _, name := range slices.Sorted(maps.Keys(h.pods)) {
		h.remove(name, true)
	}
	for _, name := range gangNames {
		for uid := range h.succeeded(name) {
			h.apply(h.r.ForgetSucceeded(gangKey(name), uid))
		}
		h.apply(h.r.DeletePodGroup(gangKey(name)))
	}
	r := h.r
	for _, name := range queueNames {
		if usage := r.line.Ledger.Usage(name); len(usage) > 0 {
			h.fatalf("queue %s is charged for %v though nothing is left", name, usage)
		}
	}
	if left := fmt.Sprintln(len(r.gangs), len(r.members), len(r.claims), len(r.victims), len(r.placed), r.line.Waiting(), len(r.line.HoldsAgainst(""))); left != "0 0 0 0 0 0 0\n" {
		h.fatalf("gangs, members, claims, victims, pods, waiting and holds that are left: %s", left)
	}
	r.Sweep(h.clock.now.Add(time.Hour))
	if len(r.order.of) > 0 || len(r.order.retired) > 0 {
		h.fatalf("the order of %v is kept", r.order.of)
	}
}

func (h *history) succeeded(name string) map[types.UID]string {
	if e := h.r.gangs[gangKey(name)]; e != nil {
		return maps.Clone(e.succeeded)
	}
	return nil
}

func limitOf(r *Registry, name string) int64 {
	q, _ := r.line.Ledger.Queue(name)
	if limit, limited := q.Limit["cpu"]; limited {
		return limit
	}
	return 1 << 60
}
