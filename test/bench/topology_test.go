package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/localcluster"
)

func TestNodeGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blocks := rapid.IntRange(1, 5).Draw(t, "blocks")
		racks := blocks * rapid.IntRange(1, 5).Draw(t, "racks of a block")
		nodes := racks + rapid.IntRange(0, 50).Draw(t, "more nodes than racks")
		sizes, blockOf := map[string]int{}, map[string]string{}
		for _, g := range nodeGroups(localcluster.NodeGroup{Name: "node", Count: nodes}, []level{block(blocks), rack(racks)}) {
			inRack, inBlock := g.Labels["topology.muster.dev/rack"], g.Labels["topology.muster.dev/block"]
			sizes[inRack] += g.Count
			blockOf[inRack] = inBlock
			sizes[inBlock] += g.Count
		}
		total := 0
		for name, in := range blockOf {
			if size := sizes[name]; size != nodes/racks && size != nodes/racks+1 {
				t.Fatalf("%s has %d of %d nodes in %d racks", name, size, nodes, racks)
			}
			if sizes[in] == 0 {
				t.Fatalf("%s is in the block %q, which has no nodes", name, in)
			}
			total += sizes[name]
		}
		if total != nodes || len(blockOf) != racks || len(sizes) != racks+blocks {
			t.Fatalf("%d of %d nodes in domains %v", total, nodes, sizes)
		}
	})
	if groups := nodeGroups(localcluster.NodeGroup{Name: "node", Count: 3}, nil); len(groups) != 1 || groups[0].Count != 3 {
		t.Errorf("without levels the groups are %v, want one of 3", groups)
	}
}

func TestSplitGangs(t *testing.T) {
	domain := map[string]string{"n0": "rack-0", "n1": "rack-0", "n2": "rack-1", "n3": "", "n4": ""}
	t1 := trace{nodes: map[string]string{}}
	for gang, nodes := range [][]string{{"n0", "n1"}, {"n1", "n2", "n0"}, {"n3", "n3"}, {"n3", "n4"}, {"n3", "n2"}} {
		for i, node := range nodes {
			name := gangName(gang) + "-" + string(rune('a'+i))
			t1.nodes[name] = node
			t1.events = append(t1.events, bound(1, gang, name))
		}
	}
	count, example := splitGangs(t1, domain)
	if want := "gang-001 is in 2, among them rack-0 and rack-1"; count != 3 || example != want {
		t.Errorf("%d gangs are split, %q; want 3, %q", count, example, want)
	}
}

// TestTopology measures gangs that only a scheduler keeps in one rack each that knows of racks: one that fills nodes in use
// before others puts the second gang into the rack of the first as far as it fits.
func TestTopology(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	w := workload{
		name: "tiny racks", nodes: 4, gpusPerNode: 2, gangs: 2, size: 3, fit: 2,
		levels: []level{block(1), rack(2)}, required: "rack",
	}
	for _, system := range []string{"native", "muster"} {
		t.Run(system, func(t *testing.T) {
			r := measure(t.Context(), w, system, 1, 1, 2*time.Minute)
			if !r.complete || r.broken || r.note != "" || r.values["split_gangs"] != 0 || r.values["whole_gangs"] != 2 {
				t.Errorf("complete %v, broken %v, %v: %s", r.complete, r.broken, r.values, r.note)
			}
		})
	}
}

func TestNamed(t *testing.T) {
	w, err := named("TAS/10")
	if err != nil {
		t.Fatal(err)
	}
	want := workload{
		name: "TAS/10", nodes: 500, small: true, gangs: 75, size: 4, fit: 75, only: []string{"native", "muster"},
		levels: upstreamLevels(5), required: "rack",
	}
	if diff := cmp.Diff(want, w, cmp.AllowUnexported(workload{}, level{}), cmp.FilterPath(isFunc, cmp.Ignore())); diff != "" {
		t.Errorf("TAS/10 (-want +got):\n%s", diff)
	}
	if got := w.String(); got != "TAS/10: 500 nodes, 75 gangs of 4 pods; 5 racks in 5 zones, one rack required" {
		t.Errorf("title %q", got)
	}
	if again, err := named("TAS"); err != nil || again.levels[0].domains != 50 || again.nodes != 5000 {
		t.Errorf("TAS was changed: %+v, %v", again, err)
	}
	if w5, err := named("W5/5"); err != nil || w5.size != 50 || !strings.HasSuffix(w5.String(), "(divided by 5)") {
		t.Errorf("W5/5 is %+v, %v", w5, err)
	}
	for _, bad := range []string{"W9", "W1/", "W1/0", "W1/x"} {
		if _, err := named(bad); err == nil {
			t.Errorf("there is a workload %q", bad)
		}
	}
}

func isFunc(p cmp.Path) bool { return p.Last().String() == ".play" || p.Last().String() == ".pure" }

func TestGates(t *testing.T) {
	for name, want := range map[string]string{
		"W1": "GenericWorkload=true", "W1T": "GenericWorkload=true", "TAS": "GenericWorkload=true,TopologyAwareWorkloadScheduling=true",
	} {
		w, err := named(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := gateList(w.gates()); got != want {
			t.Errorf("%s: gates %s, want %s", name, got, want)
		}
	}
}
