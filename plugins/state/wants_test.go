package state

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
)

func cluster(levels ...string) *schedulingv1alpha1.Topology {
	t := &schedulingv1alpha1.Topology{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
	for _, level := range levels {
		t.Spec.Levels = append(t.Spec.Levels, schedulingv1alpha1.TopologyLevel{Name: level, NodeLabel: level})
	}
	return t
}

// worker is a member of gang g with a role and an index, and annotations given as key, value.
func worker(role string, index int, annotations ...string) *corev1.Pod {
	p := pod("g", fmt.Sprintf("%s-%d", role, index))
	p.Labels[schedulingv1alpha1.RoleLabel] = role
	p.Labels[schedulingv1alpha1.ReplicaIndexLabel] = fmt.Sprint(index)
	p.Annotations = map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		p.Annotations[annotations[i]] = annotations[i+1]
	}
	return p
}

// written puts what members want into a line: who, in which unit, at which rank.
func written(w *Wants) string {
	var words []string
	for _, m := range w.Members {
		word := fmt.Sprintf("%s@%d", m.Pod.Name, m.Rank)
		if m.Unit >= 0 {
			word += "/" + w.Units[m.Unit].Name
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// Members are listed by importance and know their ranks; segments are cut by index; those that run say where their units are.
func TestWants(t *testing.T) {
	inRacks := []string{schedulingv1alpha1.TopologyRequiredAnnotation, "rack", schedulingv1alpha1.SegmentSizeAnnotation, "2"}
	r, _ := newTestRegistry()
	r.SetTopology(cluster("block", "rack"))
	pg := podGroup("g", 4, `{"worker":3}`)
	pg.Annotations[schedulingv1alpha1.TopologyPreferredAnnotation] = "block"
	r.SetPodGroup(pg)
	for _, p := range []*corev1.Pod{
		worker("worker", 10, inRacks...), worker("worker", 2, inRacks...), worker("worker", 3, inRacks...), worker("master", 0), worker("worker", 1, inRacks...),
	} {
		set(r, p)
	}
	set(r, on(worker("worker", 0, inRacks...), "n"))
	e := r.gangs[gangKey("g")]
	waiting := e.pods(ready)
	w := e.wants(waiting, e.minimum(waiting))
	if want := "master-0@0 worker-1@1/worker 0-1 worker-2@2/worker 2-3 worker-3@3/worker 2-3 worker-10@4/worker 10-11"; written(w) != want {
		t.Errorf("the members are %s, want %s", written(w), want)
	}
	if want := 3; w.Needed != want {
		t.Errorf("%d have to start, want %d", w.Needed, want)
	}
	if w.Gang != (topology.Want{Preferred: "block"}) || !slices.Equal(w.Nodes, []string{"n"}) {
		t.Errorf("the gang wants %+v and runs on %v", w.Gang, w.Nodes)
	}
	for _, unit := range w.Units {
		if here := unit.Name == "worker 0-1"; unit.Want.Required != "rack" || (len(unit.Nodes) == 1) != here {
			t.Errorf("unit %s wants %+v and runs on %v", unit.Name, unit.Want, unit.Nodes)
		}
	}
}

// Members of a role that share an index, or have none, have the places of their ranks.
func TestSegmentsWithoutIndices(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetTopology(cluster("rack"))
	r.SetPodGroup(podGroup("g", 3, ""))
	for _, name := range []string{"c", "a", "b"} {
		p := pod("g", name)
		p.Annotations = map[string]string{schedulingv1alpha1.TopologyRequiredAnnotation: "rack", schedulingv1alpha1.SegmentSizeAnnotation: "2"}
		set(r, p)
	}
	e := r.gangs[gangKey("g")]
	w := e.wants(e.pods(ready), e.pods(ready))
	if want := "a@0/the pods 0-1 b@1/the pods 0-1 c@2/the pods 2-3"; written(w) != want {
		t.Errorf("the members are %s, want %s", written(w), want)
	}
}

// Who wants nothing costs nothing.
func TestWantsNothing(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 1, ""))
	set(r, worker("worker", 0))
	e := r.gangs[gangKey("g")]
	if w := e.wants(e.pods(ready), e.pods(ready)); w != nil {
		t.Errorf("a gang that says nothing wants %+v", w)
	}
}

// A gang stands in the line only while some Topology has the levels that it asks for.
func TestLevelsThatDoNotExist(t *testing.T) {
	r, _ := newTestRegistry()
	pg := podGroup("g", 1, "")
	pg.Annotations = map[string]string{schedulingv1alpha1.TopologyRequiredAnnotation: "rack"}
	r.SetPodGroup(pg)
	a := worker("worker", 0)
	set(r, a)
	wantReason(t, r, "g", gang.TopologyNotFound)
	wantAdmitted(t, r, a, false)
	r.SetTopology(cluster("block"))
	wantReason(t, r, "g", gang.TopologyNotFound)
	wantActivated(t, r.SetTopology(cluster("block", "rack")), a.Name)
	wantReason(t, r, "g", gang.NotYetPlanned)
	r.DeleteTopology("cluster")
	wantReason(t, r, "g", gang.TopologyNotFound)
	wantAdmitted(t, r, a, false)
}

// What cannot be read is told, whoever wrote it, and names the annotation.
func TestMalformedWants(t *testing.T) {
	for name, c := range map[string]struct {
		onGroup, onPod []string
		says           string
	}{
		"segment of nothing":       {onPod: []string{schedulingv1alpha1.TopologyRequiredAnnotation, "rack", schedulingv1alpha1.SegmentSizeAnnotation, "0"}, says: "at least 1"},
		"segment that is no count": {onPod: []string{schedulingv1alpha1.TopologyRequiredAnnotation, "rack", schedulingv1alpha1.SegmentSizeAnnotation, "four"}, says: `"four"`},
		"segment of no level":      {onPod: []string{schedulingv1alpha1.SegmentSizeAnnotation, "4"}, says: "says nothing without"},
		"segment of the gang":      {onGroup: []string{schedulingv1alpha1.SegmentSizeAnnotation, "4"}, says: "belongs on the pods"},
		"packing of the gang":      {onGroup: []string{schedulingv1alpha1.PackingAnnotation, "tight"}, says: `"tight"`},
		"packing of a pod":         {onPod: []string{schedulingv1alpha1.PackingAnnotation, "loose"}, says: "pack or spread"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newTestRegistry()
			r.SetTopology(cluster("rack"))
			pg := podGroup("g", 1, "")
			pg.Annotations = map[string]string{}
			for i := 0; i < len(c.onGroup); i += 2 {
				pg.Annotations[c.onGroup[i]] = c.onGroup[i+1]
			}
			r.SetPodGroup(pg)
			set(r, worker("worker", 0, c.onPod...))
			wantReason(t, r, "g", gang.Misconfigured)
			if view, _ := r.View(gangKey("g")); !strings.Contains(view.Verdict.Message, c.says) {
				t.Errorf("it says %q, want %q in it", view.Verdict.Message, c.says)
			}
		})
	}
}

// Gangs that want different things, and gangs of which members run, are not taken for one another.
func TestWantsTellGangsApart(t *testing.T) {
	shape := func(edit func(*Registry)) string {
		r, _ := newTestRegistry()
		r.SetTopology(cluster("block", "rack"))
		r.SetPodGroup(podGroup("g", 2, ""))
		set(r, worker("worker", 0))
		set(r, worker("worker", 1))
		edit(r)
		e := r.gangs[gangKey("g")]
		return e.shape(e.pods(ready))
	}
	inRack := func(r *Registry) {
		pg := podGroup("g", 2, "")
		pg.Annotations = map[string]string{schedulingv1alpha1.TopologyRequiredAnnotation: "rack"}
		r.SetPodGroup(pg)
	}
	shapes := map[string]string{
		"nothing":     shape(func(*Registry) {}),
		"rack":        shape(inRack),
		"role's rack": shape(func(r *Registry) { set(r, worker("worker", 1, schedulingv1alpha1.TopologyRequiredAnnotation, "rack")) }),
		"rack, and one runs": shape(func(r *Registry) {
			inRack(r)
			set(r, on(worker("worker", 1), "n"))
		}),
	}
	seen := map[string]string{}
	for name, s := range shapes {
		if other, known := seen[s]; known {
			t.Errorf("%q and %q have one shape", name, other)
		}
		seen[s] = name
	}
	if again := shape(inRack); again != shapes["rack"] {
		t.Error("equal gangs have different shapes")
	}
}
