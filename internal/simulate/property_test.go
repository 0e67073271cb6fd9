package simulate_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
	"github.com/muster-scheduling/muster/internal/topology"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// tree draws queues of one or two levels: dept-0, dept-1 and so on, with leaves leaf-0-0 and so on, or a leaf at the top.
// Guarantees never exceed those of the parents. GPUs are all that it speaks of.
func tree(t *rapid.T, gpus int64, plain bool) (queues []ledger.Queue, leaves []string) {
	left := gpus
	for i := range rapid.IntRange(1, 3).Draw(t, "tops") {
		guarantee := rapid.Int64Range(0, left).Draw(t, "guarantee")
		left -= guarantee
		q := drawQueue(t, fmt.Sprintf("dept-%d", i), "", guarantee, plain)
		queues = append(queues, q)
		children := rapid.IntRange(0, 3).Draw(t, "children")
		if children == 0 {
			leaves = append(leaves, q.Name)
		}
		for k := range children {
			part := rapid.Int64Range(0, guarantee).Draw(t, "part")
			guarantee -= part
			child := drawQueue(t, fmt.Sprintf("leaf-%d-%d", i, k), q.Name, part, plain)
			queues = append(queues, child)
			leaves = append(leaves, child.Name)
		}
	}
	return queues, leaves
}

func drawQueue(t *rapid.T, name, parent string, guarantee int64, plain bool) ledger.Queue {
	q := ledger.Queue{Name: name, Parent: parent, Weight: rapid.Int64Range(0, 4).Draw(t, "weight"), Reclaimable: true, Guarantee: resource.Amounts{simulate.GPU: guarantee}}
	if plain {
		return q
	}
	q.Reclaimable = rapid.IntRange(0, 4).Draw(t, "reclaimable") > 0
	if rapid.IntRange(0, 3).Draw(t, "limited") == 0 {
		q.Limit = resource.Amounts{simulate.GPU: rapid.Int64Range(guarantee, guarantee+8).Draw(t, "limit")}
	}
	if rapid.IntRange(0, 3).Draw(t, "protected") == 0 {
		q.MinRuntime = time.Duration(rapid.IntRange(1, 90).Draw(t, "minRuntime")) * time.Second
	}
	return q
}

func drawNodes(t *rapid.T) (nodes []simulate.Node, gpus int64) {
	for i := range rapid.IntRange(1, 4).Draw(t, "nodes") {
		size := rapid.SampledFrom([]int64{1, 2, 4, 8}).Draw(t, "size")
		gpus += size
		nodes = append(nodes, drawnNode(i, size))
	}
	return nodes, gpus
}

func drawnNode(i int, gpus int64) simulate.Node {
	return simulate.Node{Name: fmt.Sprintf("node-%d", i), Allocatable: resource.Amounts{simulate.GPU: gpus, "cpu": 8 * gpus, simulate.Pods: 110}}
}

// drawGang draws any gang; if endless one that runs for ever, and does not say that it would end.
func drawGang(t *rapid.T, i int, leaves []string, endless bool) simulate.Gang {
	g := simulate.Gang{
		Name: fmt.Sprintf("job-%02d", i), Queue: rapid.SampledFrom(leaves).Draw(t, "queue"), Priority: int32(rapid.IntRange(0, 2).Draw(t, "priority")),
		Arrival: begin.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "arrival")) * time.Second),
		Pods:    rapid.IntRange(1, 6).Draw(t, "pods"),
		Request: resource.Amounts{simulate.GPU: rapid.Int64Range(0, 3).Draw(t, "gpus"), "cpu": rapid.Int64Range(1, 9).Draw(t, "cpu"), simulate.Pods: 1},
		Firm:    rapid.IntRange(0, 5).Draw(t, "firm") == 0,
	}
	g.Min = rapid.IntRange(1, g.Pods).Draw(t, "min")
	if endless {
		return g
	}
	g.Duration = time.Duration(rapid.IntRange(1, 200).Draw(t, "duration")) * time.Second
	if rapid.Bool().Draw(t, "known") {
		g.Expected = time.Duration(rapid.IntRange(1, 200).Draw(t, "expected")) * time.Second
	}
	return g
}

func drawWorkload(t *rapid.T, endless bool) simulate.Workload {
	w := simulate.Workload{Start: begin}
	var gpus int64
	w.Nodes, gpus = drawNodes(t)
	var leaves []string
	w.Queues, leaves = tree(t, gpus, false)
	for i := range rapid.IntRange(1, 25).Draw(t, "gangs") {
		w.Gangs = append(w.Gangs, drawGang(t, i, leaves, endless))
	}
	if rapid.Bool().Draw(t, "topology") {
		drawTopology(t, &w)
	}
	if rapid.Bool().Draw(t, "layouts") {
		for i := range w.Nodes {
			w.Nodes[i].Layout = drawLayout(t, w.Nodes[i].Allocatable[simulate.GPU])
		}
		for i := range w.Gangs {
			w.Gangs[i].Near = rapid.SampledFrom([]numa.Locality{numa.Anywhere, numa.NUMA, numa.NVLink}).Draw(t, "near")
		}
	}
	return w
}

// drawLayout divides the GPUs of a node into two NUMA nodes and as many islands, with or without some that are not linked.
func drawLayout(t *rapid.T, gpus int64) *simulate.Layout {
	if rapid.IntRange(0, 3).Draw(t, "silent") == 0 {
		return nil
	}
	policy := rapid.SampledFrom([]numa.Policy{"", numa.BestEffort, numa.Restricted, numa.SingleNode}).Draw(t, "policy")
	first, linked := rapid.SampledFrom([]int64{gpus / 2, gpus / 4}).Draw(t, "first"), rapid.Int64Range(0, gpus).Draw(t, "linked")
	return &simulate.Layout{Policy: policy, NUMA: []int64{first, gpus - first}, NVLink: []int64{linked / 2, linked - linked/2}}
}

// drawTopology puts nodes into racks and blocks, and lets gangs ask for them.
func drawTopology(t *rapid.T, w *simulate.Workload) {
	w.Topologies = []simulate.Topology{{Name: "default", Levels: []topology.Level{{Name: "block", Label: "block"}, {Name: "rack", Label: "rack"}, {Name: "host", Label: simulate.Hostname}}}}
	if rapid.IntRange(0, 3).Draw(t, "two") == 0 {
		w.Topologies = append(w.Topologies, simulate.Topology{Name: "other", NodeSelector: map[string]string{"block": "b1"}, Levels: []topology.Level{{Name: "rack", Label: "cabinet"}}})
	}
	for i := range w.Nodes {
		w.Nodes[i].Labels = drawLabels(t)
	}
	level := rapid.SampledFrom([]string{"", "", "block", "rack", "rack", "host"})
	for i := range w.Gangs {
		if rapid.Bool().Draw(t, "asks") {
			w.Gangs[i].Topology = simulate.Wants{
				Gang:    topology.Want{Required: level.Draw(t, "required"), Preferred: level.Draw(t, "preferred")},
				Segment: rapid.IntRange(0, 3).Draw(t, "segment"),
				Part:    topology.Want{Required: level.Draw(t, "of part"), Preferred: level.Draw(t, "preferred of part")},
			}
		}
	}
}

func drawLabels(t *rapid.T) map[string]string {
	return map[string]string{
		"block": rapid.SampledFrom([]string{"b1", "b1", "b2"}).Draw(t, "block"), "rack": rapid.SampledFrom([]string{"r1", "r2", ""}).Draw(t, "rack"),
		"cabinet": rapid.SampledFrom([]string{"c1", "c2"}).Draw(t, "cabinet"),
	}
}

func drawOptions(t *rapid.T) simulate.Options {
	return simulate.Options{
		Dispatch: dispatch.Options{
			Reservations: rapid.IntRange(0, 2).Draw(t, "reservations"),
			Patience:     time.Duration(rapid.SampledFrom([]int{0, 30}).Draw(t, "patience")) * time.Second,
		},
		MaxRatio: rapid.SampledFrom([]float64{0, 1, 3}).Draw(t, "maxRatio"),
		HalfLife: time.Duration(rapid.SampledFrom([]int{0, 60}).Draw(t, "halfLife")) * time.Second,
		Grace:    time.Duration(rapid.SampledFrom([]int{0, 20}).Draw(t, "grace")) * time.Second,
		Audit:    true,
	}
}

func start(t *rapid.T, w simulate.Workload, o simulate.Options) *simulate.Simulation {
	s, err := simulate.New(w, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *rapid.T, s *simulate.Simulation, until time.Time) simulate.Result {
	if err := s.Run(until); err != nil {
		t.Fatal(err)
	}
	return s.Result()
}

// Whatever comes, the audit finds nothing wrong: no queue above a limit, no node overcommitted, no gang below its minimum, no
// victim that rules protect, no eviction whose gain nobody uses. When all is over, nobody waits who could ever start. And
// the same workload goes the same way again, whatever order its queues are listed in.
func TestAnyWorkload(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := drawWorkload(t, false), drawOptions(t)
		r := run(t, start(t, w, o), time.Time{})
		for _, g := range r.Gangs {
			final := []gang.Reason{gang.ExceedsLimit, gang.ExceedsCluster, gang.TopologyNotFound}
			if g.End.IsZero() && !slices.Contains(final, g.Verdict.Reason) && (arithmeticTells(w, g.Gang) || startsAlone(t, w, o, g.Gang)) {
				t.Fatalf("gang %q never ends: %v", g.Gang.Name, g.Verdict)
			}
		}
		again := w
		again.Queues = slices.Clone(w.Queues)
		slices.Reverse(again.Queues)
		if diff := cmp.Diff(r.Gangs, run(t, start(t, again, o), time.Time{}).Gangs); diff != "" {
			t.Fatalf("the same workload goes another way: %s", diff)
		}
	})
}

// arithmeticTells reports whether a gang starts where there is enough of everything.
func arithmeticTells(w simulate.Workload, g simulate.Gang) bool {
	return g.Topology == simulate.Wants{} && !slices.ContainsFunc(w.Nodes, func(n simulate.Node) bool { return n.Layout != nil })
}

// startsAlone reports whether a gang starts where no other is.
func startsAlone(t *rapid.T, w simulate.Workload, o simulate.Options, g simulate.Gang) bool {
	w.Gangs = []simulate.Gang{g}
	return !run(t, start(t, w, o), time.Time{}).Gangs[0].FirstStart.IsZero()
}

// Where no kubelet insists and no gang asks, layouts play no part.
func TestLayoutsNobodyAsksFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := drawWorkload(t, false), drawOptions(t)
		for i := range w.Gangs {
			w.Gangs[i].Near = numa.Anywhere
		}
		with, without := w, w
		with.Nodes, without.Nodes = slices.Clone(w.Nodes), slices.Clone(w.Nodes)
		for i := range w.Nodes {
			gpus := w.Nodes[i].Allocatable[simulate.GPU]
			with.Nodes[i].Layout = &simulate.Layout{Policy: numa.BestEffort, NUMA: []int64{gpus / 2, gpus - gpus/2}, NVLink: []int64{gpus}}
			without.Nodes[i].Layout = nil
		}
		if diff := cmp.Diff(run(t, start(t, without, o), time.Time{}).Gangs, run(t, start(t, with, o), time.Time{}).Gangs); diff != "" {
			t.Fatalf("they do: %s", diff)
		}
	})
}

// What the audit checks holds as well while people edit queues and nodes come and go.
func TestAnySteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := drawWorkload(t, false), drawOptions(t)
		lost := map[string]bool{}
		for i := range rapid.IntRange(1, 6).Draw(t, "steps") {
			step := simulate.Step{At: begin.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "at")) * time.Second)}
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				q := rapid.SampledFrom(w.Queues).Draw(t, "queue")
				q.Stop = ledger.Stop(rapid.IntRange(0, 2).Draw(t, "stop"))
				q.Limit = resource.Amounts{simulate.GPU: rapid.Int64Range(0, 20).Draw(t, "limit")}
				q.Guarantee = resource.Amounts{simulate.GPU: rapid.Int64Range(0, 20).Draw(t, "guarantee")}
				step.SetQueues = []ledger.Queue{q}
			case 1:
				q := rapid.SampledFrom(w.Queues).Draw(t, "queue")
				q.Parent = rapid.SampledFrom(w.Queues).Draw(t, "parent").Name
				step.SetQueues = []ledger.Queue{q}
			case 2:
				step.DeleteQueues = []string{rapid.SampledFrom(w.Queues).Draw(t, "queue").Name}
			case 3:
				node := rapid.SampledFrom(w.Nodes).Draw(t, "node").Name
				if !lost[node] {
					lost[node] = true
					step.LoseNodes = []string{node}
				}
				step.AddNodes = []simulate.Node{drawnNode(100+i, rapid.Int64Range(0, 8).Draw(t, "size"))}
				step.AddNodes[0].Labels = drawLabels(t)
				step.AddNodes[0].Layout = drawLayout(t, step.AddNodes[0].Allocatable[simulate.GPU])
			case 4:
				step.Withdraw = []string{rapid.SampledFrom(w.Gangs).Draw(t, "gang").Name}
			}
			w.Steps = append(w.Steps, step)
		}
		run(t, start(t, w, o), begin.Add(time.Hour))
	})
}

// Gangs that run for ever come to rest: whoever arrives may evict, but then nothing moves any more, however often all is
// decided again.
func TestEvictionsComeToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := drawWorkload(t, true), drawOptions(t)
		s := start(t, w, o)
		before := run(t, s, begin.Add(time.Hour))
		s.Freeze()
		for range 5 {
			if err := s.Round(); err != nil {
				t.Fatal(err)
			}
		}
		after := s.Result()
		for i := range after.Gangs {
			b, a := before.Gangs[i], after.Gangs[i]
			if a.Bound != b.Bound || a.EvictedPods != b.EvictedPods {
				t.Fatalf("gang %q moves though nothing happens: %d bound and %d evicted, then %d and %d", a.Gang.Name, b.Bound, b.EvictedPods, a.Bound, a.EvictedPods)
			}
		}
		// Each arrival can set off no more than as many decisions as there are claims of other queues or priorities.
		if most := 10 * len(w.Gangs) * 6; len(after.Evictions) > most {
			t.Fatalf("%d evictions for %d gangs", len(after.Evictions), len(w.Gangs))
		}
	})
}
