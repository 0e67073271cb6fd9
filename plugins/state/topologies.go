package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// SetTopology takes note of a Topology as the API server has it now.
func (r *Registry) SetTopology(t *schedulingv1alpha1.Topology) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	old := r.topologies[t.Name]
	r.topologies[t.Name] = t
	if old != nil && old.UID == t.UID && old.Generation == t.Generation && t.Generation > 0 {
		return effects // Only the status changed, which is our own word.
	}
	r.laidOut(&effects)
	return effects
}

// DeleteTopology forgets a Topology that is gone. Gangs that run stay where they are.
func (r *Registry) DeleteTopology(name string) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	delete(r.topologies, name)
	r.laidOut(&effects)
	return effects
}

// laidOut lets gangs that ask for levels be judged anew.
func (r *Registry) laidOut(effects *Effects) {
	r.layout++
	r.reconsider(func(e *entry) bool { return len(e.levels()) > 0 }, effects)
	r.line.Reopen()
}

// Topologies lists the Topologies by name, and a number that differs when they do. They are shared: readers must not change
// them.
func (r *Registry) Topologies() ([]*schedulingv1alpha1.Topology, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*schedulingv1alpha1.Topology, 0, len(r.topologies))
	for _, name := range slices.Sorted(maps.Keys(r.topologies)) {
		list = append(list, r.topologies[name])
	}
	return list, r.layout
}

// missingLevel is why no Topology has a level that the gang requires; empty where one has. A level that it only prefers never
// keeps it waiting.
func (e *entry) missingLevel() string {
	asked := slices.Collect(maps.Keys(e.said.required))
	if e.podGroup != nil {
		if required := wantOf(e.podGroup.Annotations).Required; required != "" {
			asked = append(asked, required)
		}
	}
	if len(asked) == 0 {
		return ""
	}
	known := map[string]bool{}
	for _, t := range e.registry.topologies {
		for _, level := range t.Spec.Levels {
			known[level.Name] = true
		}
	}
	slices.Sort(asked)
	for _, level := range asked {
		switch {
		case known[level]:
		case len(known) == 0:
			return fmt.Sprintf("the gang asks for topology level %q, and there is no Topology with levels", level)
		default:
			return fmt.Sprintf("no Topology has the level %q that the gang asks for; there are: %s", level, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return ""
}
