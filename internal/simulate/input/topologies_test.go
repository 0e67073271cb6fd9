package input

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-scheduling/muster/internal/simulate"
	"github.com/muster-scheduling/muster/internal/topology"
)

func TestTopologies(t *testing.T) {
	topologies, err := Topologies([]byte(`
apiVersion: scheduling.muster.dev/v1alpha1
kind: Topology
metadata: {name: default}
spec: {levels: [{name: block, nodeLabel: topology.muster.dev/block}, {name: rack, nodeLabel: topology.muster.dev/rack}]}
---
apiVersion: v1
kind: List
items:
- apiVersion: scheduling.muster.dev/v1alpha1
  kind: Topology
  metadata: {name: hall-2}
  spec: {nodeSelector: {hall: "2"}, levels: [{name: rack, nodeLabel: cabinet}]}
  status: {nodes: 3, levels: [{name: rack, domains: 1}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []simulate.Topology{
		{Name: "default", Levels: []topology.Level{{Name: "block", Label: "topology.muster.dev/block"}, {Name: "rack", Label: "topology.muster.dev/rack"}}},
		{Name: "hall-2", NodeSelector: map[string]string{"hall": "2"}, Levels: []topology.Level{{Name: "rack", Label: "cabinet"}}},
	}
	if diff := cmp.Diff(want, topologies); diff != "" {
		t.Error(diff)
	}
}

func TestTopologiesErrors(t *testing.T) {
	const object = "apiVersion: scheduling.muster.dev/v1alpha1\nkind: Topology\nmetadata: {name: a}\n"
	for name, tc := range map[string]struct{ data, want string }{
		"no level":      {object + "spec: {levels: []}", `document 1: topology "a": levels: there is none`},
		"no spec":       {object, "there is none"},
		"level twice":   {object + "spec: {levels: [{name: r, nodeLabel: x}, {name: r, nodeLabel: z}]}", "levels: [1]: r with the label z is there twice"},
		"label twice":   {object + "spec: {levels: [{name: q, nodeLabel: x}, {name: r, nodeLabel: x}]}", "levels: [1]: r with the label x is there twice"},
		"no label":      {object + "spec: {levels: [{name: q}]}", "[0]: it needs a name and a nodeLabel"},
		"object twice":  {object + "spec: {levels: [{name: r, nodeLabel: x}]}\n---\n" + object, `document 2: topology "a" has no name, or is there twice`},
		"another kind":  {strings.Replace(object, "Topology", "Queue", 1), "there is a Queue of scheduling.muster.dev/v1alpha1, not a Topology"},
		"unknown field": {object + "spec: {level: []}", "level"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Topologies([]byte(tc.data)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestTraceWithTopology(t *testing.T) {
	gangs, err := Trace(strings.NewReader("arrival,pods,duration,topology_required,topology_preferred,segment,segment_required,segment_preferred\n" +
		"0,8,60,block,rack,4,rack,host\n0,8,60,,,,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := simulate.Wants{Gang: topology.Want{Required: "block", Preferred: "rack"}, Segment: 4, Part: topology.Want{Required: "rack", Preferred: "host"}}
	if gangs[0].Topology != want || gangs[1].Topology != (simulate.Wants{}) {
		t.Errorf("%+v and %+v, want %+v and nothing", gangs[0].Topology, gangs[1].Topology, want)
	}
	for line, want := range map[string]string{
		"0,8,60,0,rack": `line 2: segment: "0" is not a whole number from 1`,
		"0,8,60,,rack":  "line 2: segment: it is empty, but segment_required",
	} {
		if _, err := Trace(strings.NewReader("arrival,pods,duration,segment,segment_required\n" + line + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
	}
}
