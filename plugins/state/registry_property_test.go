package state

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
)

// place is where a pod is in the scheduler.
type place int

const (
	parked  place = iota // gated or unschedulable: only an activation or an event moves it
	active               // in the active queue
	waiting              // reserved, held in Permit
	running              // bound
)

// scheduler is a model of kube-scheduler around a registry with one gang, in a cluster with room for everybody.
type scheduler struct {
	*rapid.T
	r    *Registry
	pods map[string]*corev1.Pod
	at   map[string]place
	spec gang.Spec
	next int
}

func (s *scheduler) apply(effects Effects) {
	for _, uid := range effects.Allow {
		if s.at[string(uid)] == waiting {
			s.bind(string(uid))
		}
	}
	for _, uid := range effects.Reject {
		if s.at[string(uid)] == waiting {
			s.giveBack(string(uid))
		}
	}
	for _, p := range effects.Activate {
		if s.at[p.Name] == parked {
			s.enqueue(p.Name)
		}
	}
}

func (s *scheduler) enqueue(name string) {
	p, exists := s.pods[name]
	if !exists {
		return
	}
	if admitted, _ := s.r.Admit(p); admitted {
		s.at[name] = active
	}
}

func (s *scheduler) giveBack(name string) {
	s.at[name] = parked
	s.apply(s.r.GiveBack(types.UID(name)))
}

// bind lets a pod run. Members are let go only when the gang has its minimum.
func (s *scheduler) bind(name string) {
	e := s.r.gangs[Key{Namespace: "ns", Name: "g"}]
	if !e.judgeable() || !e.need().Met() {
		s.Fatalf("pod %s is let go while %+v is missing", name, e.need())
	}
	s.at[name] = running
	s.pods[name] = on(s.pods[name], "n")
	s.apply(s.r.SetPod(s.pods[name]))
}

// cycle is one scheduling cycle of a pod. In a lucky one everything fits.
func (s *scheduler) cycle(name string, lucky bool) {
	p := s.pods[name]
	s.at[name] = parked
	standing, node, request := s.r.Standing(p)
	switch standing {
	case Waiting:
		return
	case Leading:
		if !lucky {
			s.r.Fail(request.Key, Failure{Message: "no room"})
			return
		}
		var placements []Placement
		for _, q := range request.Pods {
			placements = append(placements, Placement{UID: q.UID, Node: "n"})
		}
		effects, err := s.r.Commit(request, placements)
		if err != nil {
			s.Fatal(err)
		}
		defer s.apply(effects)
		node = "n"
	case Planned:
		if !lucky {
			s.giveBack(name)
			return
		}
	case Free:
		node = "n"
	}
	if err := s.r.Reserve(p, node); err != nil {
		s.Fatal(err)
	}
	permission, effects := s.r.Permit(p)
	switch permission {
	case Wait:
		s.at[name] = waiting
		return
	case Refuse:
		s.giveBack(name)
		return
	}
	s.apply(effects)
	s.bind(name)
}

// event wakes everybody who may enter.
func (s *scheduler) event() {
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		if s.at[name] == parked {
			s.enqueue(name)
		}
	}
}

func (s *scheduler) in(p place) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		if s.at[name] == p {
			names = append(names, name)
		}
	}
	return names
}

// Whatever happens in whatever order: nobody is let go below the minimum, the counts are right, and when things calm
// down the gang runs completely, or nothing of what it lacks is held.
func TestRegistryWhateverHappens(t *testing.T) {
	roles := []string{"ps", "worker"}
	rapid.Check(t, func(t *rapid.T) {
		s := &scheduler{T: t, r: newTestRegistry(), pods: map[string]*corev1.Pod{}, at: map[string]place{}}
		setSpec := func() {
			minimum := rapid.IntRange(1, 4).Draw(t, "minMember")
			ps := rapid.IntRange(0, 1).Draw(t, "ps")
			s.spec = gang.Spec{MinMember: minimum, RoleMin: map[string]int{"ps": ps}}
			s.apply(s.r.SetPodGroup(podGroup("g", int32(minimum), fmt.Sprintf(`{"ps":%d}`, ps))))
		}
		setSpec()
		pick := func(names []string) (string, bool) {
			if len(names) == 0 {
				return "", false
			}
			return rapid.SampledFrom(names).Draw(t, "pod"), true
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { s.check() },
			"create": func(t *rapid.T) {
				if len(s.pods) > 6 {
					return
				}
				s.next++
				p := pod("g", fmt.Sprintf("p%d", s.next))
				p.Labels["scheduling.muster.dev/role"] = rapid.SampledFrom(roles).Draw(t, "role")
				s.pods[p.Name], s.at[p.Name] = p, parked
				// The registry's handler and the queue's run at the same time.
				if rapid.Bool().Draw(t, "registry first") {
					s.apply(s.r.SetPod(p))
					s.enqueue(p.Name)
				} else {
					s.enqueue(p.Name)
					s.apply(s.r.SetPod(p))
				}
			},
			"delete": func(t *rapid.T) {
				if name, ok := pick(slices.Sorted(maps.Keys(s.pods))); ok {
					s.remove(name)
				}
			},
			"terminate": func(t *rapid.T) {
				if name, ok := pick(s.in(running)); ok {
					p := s.pods[name].DeepCopy()
					p.DeletionTimestamp = &metav1.Time{Time: epoch}
					s.apply(s.r.SetPod(p))
					s.remove(name)
				}
			},
			"succeed": func(t *rapid.T) {
				if name, ok := pick(s.in(running)); ok {
					s.apply(s.r.SetSucceeded(Key{Namespace: "ns", Name: "g"}, types.UID(name), RoleOf(s.pods[name].Labels)))
					s.remove(name)
				}
			},
			"spec": func(t *rapid.T) { setSpec() },
			"no PodGroup": func(t *rapid.T) {
				s.apply(s.r.DeletePodGroup(Key{Namespace: "ns", Name: "g"}))
			},
			"bad PodGroup": func(t *rapid.T) { s.apply(s.r.SetPodGroup(podGroup("g", 0, ""))) },
			"event":        func(t *rapid.T) { s.event() },
			"cycle": func(t *rapid.T) {
				if name, ok := pick(s.in(active)); ok {
					s.cycle(name, rapid.Bool().Draw(t, "lucky"))
				}
			},
			"bind fails": func(t *rapid.T) {
				if name, ok := pick(s.in(running)); ok && rapid.Bool().Draw(t, "really") {
					// As if the bind had been refused just after the pod was let go: it is deleted and comes again.
					s.remove(name)
				}
			},
		})
		setSpec()
		s.settle()
	})
}

func (s *scheduler) remove(name string) {
	delete(s.pods, name)
	delete(s.at, name)
	s.apply(s.r.DeletePod(types.UID(name)))
}

// settle lets everything happen that has to, with room for everybody, and checks how it ends.
func (s *scheduler) settle() {
	for range 50 {
		s.event()
		for _, name := range s.in(active) {
			if s.at[name] == active {
				s.cycle(name, true)
			}
		}
		s.check()
	}
	e := s.r.gangs[Key{Namespace: "ns", Name: "g"}]
	if left := slices.Concat(s.in(active), s.in(waiting)); len(left) > 0 {
		s.Fatalf("%v never come to rest", left)
	}
	if parked := s.in(parked); len(parked) > 0 && e.spec.Shortage(e.count[held], e.count[ready]) == "" {
		s.Fatalf("%v wait although they could run: need %+v, %s", parked, e.need(), e.verdict().Message)
	}
	if e.reserved != 0 {
		s.Fatalf("%d members are reserved when all is at rest", e.reserved)
	}
}

// check counts the members again.
func (s *scheduler) check() {
	e := s.r.gangs[Key{Namespace: "ns", Name: "g"}]
	if e == nil {
		return // neither PodGroup nor pods are left
	}
	count, reserved := gang.Tally{}, 0
	for _, m := range e.members {
		if m.standing == held {
			count[m.role]++
		}
		if m.reserved {
			reserved++
		}
	}
	for _, role := range e.succeeded {
		count[role]++
	}
	if !maps.Equal(count, e.count[held]) || reserved != e.reserved {
		s.Fatalf("counted %v held and %d reserved, the registry says %v and %d", count, reserved, e.count[held], e.reserved)
	}
}
