package state

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// place is where a pod is in the scheduler.
type place int

const (
	parked  place = iota // gated or unschedulable: only an activation or an event moves it
	active               // in the active queue
	waiting              // reserved, held in Permit
	binding              // let go, and not bound yet
	running              // bound
)

// scheduler is a model of kube-scheduler around a registry: its queue, its cache of nodes and pods, its cycles. Everything in
// it happens in the order of names, so that equal scripts have equal logs.
type scheduler struct {
	fatalf func(format string, args ...any)
	r      *Registry
	clock  *clock
	pods   map[string]*corev1.Pod
	at     map[string]place
	cpu    map[string]int64  // of nodes, in thousandths
	cache  map[string]string // the node of each pod that takes room
	// flight is the pod whose cycle is under way, again whether it has been activated meanwhile.
	flight string
	again  bool
	log    []string
}

func newScheduler(fatalf func(string, ...any)) *scheduler {
	s := &scheduler{
		fatalf: fatalf, clock: &clock{now: epoch}, pods: map[string]*corev1.Pod{}, at: map[string]place{},
		cpu: map[string]int64{}, cache: map[string]string{},
	}
	s.r = NewRegistry(func() time.Time { return s.clock.now }, dispatch.Options{Reservations: 1, Patience: time.Minute})
	return s
}

func (s *scheduler) logf(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// apply carries out what the registry asks for.
func (s *scheduler) apply(effects Effects) {
	for _, uid := range effects.Allow {
		if s.at[string(uid)] == waiting {
			s.letGo(string(uid))
		}
	}
	for _, uid := range effects.Reject {
		if s.at[string(uid)] == waiting {
			s.giveBack(string(uid))
		}
	}
	for _, p := range effects.Activate {
		s.logf("activate %s", p.Name)
		switch at, exists := s.at[p.Name]; {
		case p.Name == s.flight:
			s.again = true
		case exists && at == parked:
			s.enqueue(p.Name)
		}
	}
}

func (s *scheduler) enqueue(name string) {
	if admitted, _ := s.r.Admit(s.pods[name]); admitted {
		s.at[name] = active
	}
}

// letGo passes Permit. Members are let go only when the gang has its minimum.
func (s *scheduler) letGo(name string) {
	if e := s.r.gangs[KeyOf(s.pods[name])]; !e.judgeable() || !e.need().Met() {
		s.fatalf("pod %s is let go while %+v is missing", name, e.need())
	}
	s.at[name] = binding
}

func (s *scheduler) bound(name string) {
	s.logf("bound %s", name)
	s.at[name] = running
	s.show(on(s.pods[name], s.cache[name]))
}

// show is an update of a pod: the cache sees it, then the registry.
func (s *scheduler) show(p *corev1.Pod) {
	s.pods[p.Name] = p
	if p.Spec.NodeName != "" {
		s.cache[p.Name] = p.Spec.NodeName
		s.r.Occupied(p)
	}
	s.apply(s.r.SetPod(p))
}

// remove is the end of a pod; the handlers of the cache and of the registry run in any order.
func (s *scheduler) remove(name string, registryFirst bool) {
	p, node := s.pods[name], s.cache[name]
	delete(s.pods, name)
	delete(s.at, name)
	delete(s.cache, name)
	if registryFirst {
		s.apply(s.r.DeletePod(p.UID))
	}
	if node != "" {
		s.apply(s.r.Vacated(on(p, node)))
	}
	if !registryFirst {
		s.apply(s.r.DeletePod(p.UID))
	}
}

// giveBack is what becomes of a pod that had a node and is not bound.
func (s *scheduler) giveBack(name string) {
	p, node := s.pods[name], s.cache[name]
	s.at[name] = parked
	delete(s.cache, name)
	s.apply(s.r.GiveBack(p.UID))
	if node != "" {
		s.apply(s.r.Vacated(on(p, node)))
	}
	s.apply(s.r.Ended(p.UID, "not bound"))
}

// luck is what a cycle meets with, other than what the registry and the room decide.
type luck int

const (
	lucky luck = iota
	// unlucky: whatever the room, there is said to be none.
	unlucky
	// broken: the cycle ends before any of our plugins can judge, or the node of a planned pod is unfit.
	broken
)

// cycle is one scheduling cycle of a pod. during is called when it has read its orders, after when it has judged, before
// these count.
func (s *scheduler) cycle(name string, l luck, during, after func()) {
	p := s.pods[name]
	s.at[name] = parked
	s.flight, s.again = name, false
	standing, node, request := s.r.Standing(p)
	s.logf("cycle %s: %d %q over=%v freed=%t extra=%d", name, standing, node, request.Over, request.FreedFor, request.Extra)
	during()
	assumed := false
	if p = s.pods[name]; p != nil {
		assumed = s.decide(p, standing, node, request, l)
	}
	after()
	s.flight = ""
	if _, exists := s.pods[name]; !exists || assumed {
		return
	}
	if s.again {
		s.enqueue(name)
	}
	s.apply(s.r.Ended(types.UID(name), "failed"))
}

// decide finds a node for the pod and goes on to Permit, or reports false.
func (s *scheduler) decide(p *corev1.Pod, standing Standing, node string, request Request, l luck) bool {
	if standing == Waiting || l == broken && standing != Planned {
		return false
	}
	if standing == Planned {
		if l != lucky {
			s.apply(s.r.GiveBack(p.UID))
			return false
		}
		return s.assume(p, node)
	}
	placements := s.plan(request, s.free(request))
	if placements == nil || request.Over != nil || l == unlucky {
		o := s.judge(request)
		s.logf("judged %+v hold %v start %v victims %v", o.Verdict, o.Hold, o.Start, o.Victims)
		s.r.Conclude(request, o)
		return false
	}
	if standing == Leading {
		var effects Effects
		var err error
		if placements, effects, err = s.r.Commit(request, placements); err != nil {
			return false // The gang changed meanwhile.
		}
		defer func() { s.apply(s.r.Advance()) }()
		s.apply(effects)
		if placements[0].UID != p.UID {
			s.again = true
			return false
		}
	}
	return s.assume(p, placements[0].Node)
}

// assume reserves a node for a pod and asks for permission to bind it.
func (s *scheduler) assume(p *corev1.Pod, node string) bool {
	s.cache[p.Name] = node
	s.r.Occupied(on(p, node))
	effects, err := s.r.Reserve(p, node)
	if err != nil {
		delete(s.cache, p.Name)
		s.apply(s.r.GiveBack(p.UID))
		s.apply(s.r.Vacated(on(p, node)))
		return false
	}
	s.apply(effects)
	if _, exists := s.pods[p.Name]; !exists {
		return true
	}
	permission, effects := s.r.Permit(p)
	switch permission {
	case Wait:
		s.at[p.Name] = waiting
	case Refuse:
		s.giveBack(p.Name)
	case Go:
		s.letGo(p.Name)
		s.apply(effects)
	}
	return true
}

// free is what the nodes have left for a request.
func (s *scheduler) free(request Request) map[string]int64 {
	free := maps.Clone(s.cpu)
	for name, node := range s.cache {
		free[node] -= cpuOf(s.pods[name])
	}
	for node, spare := range s.r.Spare(request, cpuTable) {
		free[node] = min(free[node], spare[0])
	}
	return free
}

func cpuOf(p *corev1.Pod) int64 { return RequestOf(p)["cpu"] }

// plan puts what a request needs, and what may come along, on the first nodes that have room; nil where it does not fit.
func (s *scheduler) plan(request Request, free map[string]int64) []Placement {
	role, left := maps.Clone(request.Need.Role), request.Need.Total
	for _, missing := range role {
		left -= missing
	}
	var placements []Placement
	nodes := slices.Sorted(maps.Keys(free))
	put := func(p *corev1.Pod) bool {
		at := slices.IndexFunc(nodes, func(node string) bool { return free[node] >= cpuOf(p) })
		if at >= 0 {
			free[nodes[at]] -= cpuOf(p)
			placements = append(placements, Placement{UID: p.UID, Node: nodes[at]})
		}
		return at >= 0
	}
	var rest []*corev1.Pod
	for _, p := range request.Pods {
		switch name := RoleOf(p.Labels); {
		case role[name] > 0:
			role[name]--
		case left > 0:
			left--
		default:
			rest = append(rest, p)
			continue
		}
		if !put(p) {
			return nil
		}
	}
	if len(placements) < request.Need.Total {
		return nil
	}
	for _, p := range rest[:min(len(rest), request.Extra)] {
		put(p)
	}
	return placements
}

// judge decides what becomes of a request that found no room.
func (s *scheduler) judge(request Request) Outcome {
	outcome := noRoom(dispatch.WhenItFits)
	switch {
	case request.Over != nil:
		outcome.Verdict = gang.Verdict{Reason: gang.QuotaExceeded, Message: request.Over.String()}
	case s.plan(request, maps.Clone(s.cpu)) == nil:
		outcome.Verdict.Reason = gang.ExceedsCluster
		return outcome
	}
	if request.Elastic {
		return outcome
	}
	if victims, placements := s.victims(request); placements != nil {
		s.logf("victims %v", victims)
		outcome.Verdict, outcome.Victims = gang.Verdict{Reason: gang.MakingRoom, Message: "victims are leaving"}, victims
		outcome.Hold = s.hold(request, placements, s.clock.now)
		return outcome
	}
	if request.Over == nil && s.r.MayReserve(request) {
		start := s.clock.now.Add(time.Minute)
		outcome.Hold = s.hold(request, s.plan(request, maps.Clone(s.cpu)), start)
		outcome.Start = reservation.Start{Result: gang.Placed, Known: true, At: start}
	}
	return outcome
}

func (s *scheduler) hold(request Request, placements []Placement, start time.Time) *reservation.Hold {
	hold := reservation.Hold{Gang: request.ID, Made: s.clock.now, Start: start, Amount: map[string]resource.Amounts{}}
	for _, placement := range placements {
		if hold.Amount[placement.Node] == nil {
			hold.Amount[placement.Node] = resource.Amounts{}
		}
		at := slices.IndexFunc(request.Pods, func(p *corev1.Pod) bool { return p.UID == placement.UID })
		hold.Amount[placement.Node].Add(RequestOf(request.Pods[at]))
	}
	return &hold
}

// victims takes units, the first that may go, until the request fits.
func (s *scheduler) victims(request Request) ([]types.UID, []Placement) {
	units, books := s.r.Units(request)
	free := s.free(request)
	var victims []types.UID
	for _, p := range s.r.Leaving() {
		free[p.Spec.NodeName] += cpuOf(p)
		victims = append(victims, p.UID)
	}
	spared := map[Key]bool{}
	for _, unit := range units {
		if spared[unit.Key] || !unit.Preempt && !books.Takeable(request.Queue, unit.Queue, request.Amount, unit.Usage) {
			spared[unit.Key] = true // With its surplus the rest stays as well.
			continue
		}
		for _, p := range unit.Pods {
			free[p.Spec.NodeName] += cpuOf(p)
			victims = append(victims, p.UID)
		}
		books.Release(unit.Queue, unit.Usage, false)
		if placements := s.plan(request, maps.Clone(free)); placements != nil && books.Check(request.Queue, request.Amount, request.Firm) == nil {
			return victims, placements
		}
	}
	return nil, nil
}

// event wakes everybody who may enter.
func (s *scheduler) event() {
	for _, name := range s.in(parked) {
		s.enqueue(name)
	}
}

func (s *scheduler) in(p place) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		if s.at[name] == p && name != s.flight {
			names = append(names, name)
		}
	}
	return names
}
