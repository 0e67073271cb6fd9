package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/topology"
)

// Wants is what the members of a request want of the cluster's topology.
type Wants struct {
	// Gang is what the gang wants as a whole; Nodes are those of its members that run already.
	Gang  topology.Want
	Nodes []string
	// Units are the roles that want something, or the segments of them.
	Units []UnitWants
	// Members are the pods of the request in the order of their importance: those that have to start first, each part in the
	// order of ranks.
	Members []MemberWants
	// Needed is how many of them have to start.
	Needed int
}

// UnitWants is what the members of a unit want together.
type UnitWants struct {
	// Name is for messages: "role worker", or "worker 4-7".
	Name string
	Want topology.Want
	// Nodes are those of its members that run already.
	Nodes []string
}

// MemberWants is one member.
type MemberWants struct {
	Pod *corev1.Pod
	// Unit is the index of its unit, -1 where it belongs to none.
	Unit int
	// Rank is its place in the order in which neighbours should be near each other.
	Rank int
}

// wantOf is what annotations ask of the topology.
func wantOf(annotations map[string]string) topology.Want {
	return topology.Want{
		Required:  annotations[schedulingv1alpha1.TopologyRequiredAnnotation],
		Preferred: annotations[schedulingv1alpha1.TopologyPreferredAnnotation],
	}
}

// segmentOf is the number of members in each segment of a pod's role; 0 where the role is not divided.
func segmentOf(pod *corev1.Pod) (int, error) {
	text, said := pod.Annotations[schedulingv1alpha1.SegmentSizeAnnotation]
	if !said {
		return 0, nil
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < 1 {
		return 0, fmt.Errorf("annotation %s is %q: it must be a number of pods, at least 1", schedulingv1alpha1.SegmentSizeAnnotation, text)
	}
	if wantOf(pod.Annotations) == (topology.Want{}) {
		return 0, fmt.Errorf("annotation %s says nothing without %s or %s beside it on the pod", schedulingv1alpha1.SegmentSizeAnnotation,
			schedulingv1alpha1.TopologyRequiredAnnotation, schedulingv1alpha1.TopologyPreferredAnnotation)
	}
	return size, nil
}

// packingOf is how nodes are to be filled, as annotations ask for it; empty where they do not.
func packingOf(annotations map[string]string) (string, error) {
	switch packing := annotations[schedulingv1alpha1.PackingAnnotation]; packing {
	case "", schedulingv1alpha1.PackingPack, schedulingv1alpha1.PackingSpread:
		return packing, nil
	default:
		return "", fmt.Errorf("annotation %s is %q: it must be %s or %s", schedulingv1alpha1.PackingAnnotation, packing,
			schedulingv1alpha1.PackingPack, schedulingv1alpha1.PackingSpread)
	}
}

// Nearness are the annotations of a pod that decide which nodes it gets besides its spec; nil where it has none.
func Nearness(annotations map[string]string) []string {
	var near []string
	for _, name := range []string{
		schedulingv1alpha1.TopologyRequiredAnnotation, schedulingv1alpha1.TopologyPreferredAnnotation, schedulingv1alpha1.SegmentSizeAnnotation,
		schedulingv1alpha1.GPUTopologyRequiredAnnotation, schedulingv1alpha1.GPUTopologyPreferredAnnotation, schedulingv1alpha1.PackingAnnotation,
	} {
		if value, said := annotations[name]; said {
			near = append(near, name, value)
		}
	}
	return near
}

// bond tells apart gangs whose members have equal shapes, by what they want together. A gang of which members run wants to be
// near those, and is like no other.
func (e *entry) bond() string {
	if len(e.levels()) == 0 {
		return ""
	}
	bond := ""
	if e.podGroup != nil {
		bond = strings.Join(Nearness(e.podGroup.Annotations), "\x00")
	}
	if e.count[held].Total() > 0 {
		bond += "\x00" + e.key.id()
	}
	return "\x00" + bond
}

// levelsOf names the levels of a want.
func levelsOf(want topology.Want) []string {
	var levels []string
	if want.Required != "" {
		levels = append(levels, want.Required)
	}
	if want.Preferred != "" {
		levels = append(levels, want.Preferred)
	}
	return levels
}

// levels names the levels that the gang and its members ask for.
func (e *entry) levels() []string {
	var levels []string
	if e.podGroup != nil {
		levels = levelsOf(wantOf(e.podGroup.Annotations))
	}
	if len(e.said.levels) > 0 {
		levels = slices.AppendSeq(levels, maps.Keys(e.said.levels))
	}
	return levels
}

// wants is what members of the gang that wait want of the topology; nil where they want nothing. needed are those that have to
// start.
func (e *entry) wants(waiting []*corev1.Pod, needed []*corev1.Pod) *Wants {
	if len(e.levels()) == 0 {
		return nil
	}
	w := &Wants{Needed: len(needed)}
	if e.podGroup != nil {
		w.Gang = wantOf(e.podGroup.Annotations)
	}
	units := e.wantingUnits(w)
	first := map[*corev1.Pod]bool{}
	for _, pod := range needed {
		first[pod] = true
	}
	for _, pod := range waiting {
		m := e.members[pod.UID]
		unit, in := units[m]
		if !in {
			unit = -1
		}
		w.Members = append(w.Members, MemberWants{Pod: pod, Unit: unit})
	}
	slices.SortFunc(w.Members, func(a, b MemberWants) int { return byRank(e.members[a.Pod.UID], e.members[b.Pod.UID]) })
	for i := range w.Members {
		w.Members[i].Rank = i
	}
	slices.SortStableFunc(w.Members, func(a, b MemberWants) int { return -compareBool(first[a.Pod], first[b.Pod]) })
	return w
}

// unitKey tells units apart: members of one role that want different things are different units.
type unitKey struct {
	role    string
	want    topology.Want
	size    int
	segment int
}

// wantingUnits adds the gang's units, and the nodes on which its members run, to what it wants, and says which member is in which.
func (e *entry) wantingUnits(w *Wants) map[*member]int {
	units, at := map[*member]int{}, map[unitKey]int{}
	for _, seat := range e.seats() {
		m, node := seat.member, e.nodeOf(seat.member)
		if node != "" {
			w.Nodes = append(w.Nodes, node)
		}
		key := unitKey{role: m.role, want: wantOf(m.pod.Annotations)}
		if key.want == (topology.Want{}) {
			continue
		}
		if size, err := segmentOf(m.pod); err == nil && size > 0 {
			key.size, key.segment = size, seat.place/size
		}
		unit, known := at[key]
		if !known {
			unit = len(w.Units)
			at[key] = unit
			w.Units = append(w.Units, UnitWants{Name: key.name(), Want: key.want})
		}
		if node != "" {
			w.Units[unit].Nodes = append(w.Units[unit].Nodes, node)
		}
		units[m] = unit
	}
	return units
}

// seat is a member at its place in its role.
type seat struct {
	place  int
	member *member
}

// seats lists the members by their places: their indices, or, in a role whose members those do not tell apart, their
// positions.
func (e *entry) seats() []seat {
	members := slices.SortedFunc(maps.Values(e.members), byRank)
	members = slices.DeleteFunc(members, func(m *member) bool { return m.standing == unknown })
	var seats []seat
	for len(members) > 0 {
		n := 1
		apart := members[0].index != unnumbered
		for ; n < len(members) && members[n].role == members[0].role; n++ {
			apart = apart && members[n].index != unnumbered && members[n].index != members[n-1].index
		}
		for i, m := range members[:n] {
			place := i
			if apart {
				place = m.index
			}
			seats = append(seats, seat{place: place, member: m})
		}
		members = members[n:]
	}
	return seats
}

// nodeOf is the node that a member has; empty where it has none.
func (e *entry) nodeOf(m *member) string {
	if m.standing != held {
		return ""
	}
	return cmp.Or(m.pod.Spec.NodeName, e.registry.placed[m.pod.UID])
}

func (k unitKey) name() string {
	role := cmp.Or(k.role, "the pods")
	if k.size > 0 {
		return fmt.Sprintf("%s %d-%d", role, k.segment*k.size, (k.segment+1)*k.size-1)
	}
	if k.role != "" {
		return "role " + role
	}
	return role
}
