package reservation

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// One operation is one question. Vectors are {cpu, memory, gpu, pods}.
//
//	go test ./internal/reservation -run '^$' -bench . -benchmem -cpu 1

var benchTable = resource.NewTable("cpu", "memory", "nvidia.com/gpu", "pods")

// busy is a cluster of nodes of 8 GPUs with two pods of four on each, that end at different times; every tenth never does.
func busy(nodes int) Problem {
	random := rand.New(rand.NewPCG(1, 2))
	p := Problem{Table: benchTable, Now: noon, Runtime: 10 * time.Hour}
	class := gang.Class{Count: 1000, Request: resource.Vector{8_000, 1 << 36, 8, 1}}
	for i := range nodes {
		node := Node{Name: fmt.Sprint("node-", i), Allocatable: resource.Vector{96_000, 1 << 40, 8, 110}}
		for range 2 {
			use := Use{Amount: resource.Vector{4_000, 1 << 35, 4, 1}, Since: noon.Add(-time.Duration(random.IntN(1e15)))}
			if random.IntN(10) > 0 {
				use.Until = noon.Add(time.Duration(random.IntN(1e14)))
			}
			node.Uses = append(node.Uses, use)
		}
		p.Nodes = append(p.Nodes, node)
		class.Nodes = append(class.Nodes, int32(i))
	}
	p.Gang = gang.Problem{Classes: []gang.Class{class}, Need: gang.Need{Total: class.Count}}
	return p
}

func benchmarkEarliest(b *testing.B, p Problem, known bool) {
	b.ReportAllocs()
	for b.Loop() {
		start, err := Earliest(p)
		if err != nil || start.Result != gang.Placed || start.Known != known {
			b.Fatalf("%v, known %v, error %v", start.Result, start.Known, err)
		}
	}
}

func BenchmarkEarliest(b *testing.B) { benchmarkEarliest(b, busy(5000), true) }

// All of the cluster is asked for, so that pods without expected end are in the way.
func BenchmarkEarliestUnknown(b *testing.B) {
	p := busy(5000)
	p.Gang.Classes[0].Count, p.Gang.Need.Total = 5000, 5000
	benchmarkEarliest(b, p, false)
}

// held lets 40 gangs before the one that asks hold 100 nodes each, so that only the last stretch of time has room for it.
func held(p Problem) Problem {
	for i := range 40 {
		hold := Hold{Start: noon.Add(time.Duration(i) * time.Hour), Amount: map[string]resource.Amounts{}}
		hold.End = hold.Start.Add(100 * time.Hour)
		for j := range 100 {
			hold.Amount[p.Nodes[i*100+j].Name] = resource.Amounts{"nvidia.com/gpu": 8, "cpu": 8_000, "memory": 1 << 36, "pods": 1}
		}
		p.Holds = append(p.Holds, hold)
	}
	p.Gang.Classes[0].Count, p.Gang.Need.Total = 4000, 4000
	return p
}

func BenchmarkEarliestBehindHolds(b *testing.B) { benchmarkEarliest(b, held(busy(5000)), true) }

// Members of four kinds make the planner search.
func BenchmarkEarliestMixed(b *testing.B) {
	p := busy(5000)
	all := p.Gang.Classes[0].Nodes
	p.Gang.Classes, p.Gang.Need.Total = nil, 0
	for i, gpus := range []int64{1, 2, 3, 8} {
		class := gang.Class{Role: fmt.Sprint(gpus), Count: 700, Request: resource.Vector{gpus * 900, gpus << 33, gpus, 1}, Nodes: all}
		p.Gang.Classes = append(p.Gang.Classes, class)
		p.Gang.Need.Total += p.Gang.Classes[i].Count
	}
	benchmarkEarliest(b, p, true)
}

// What every further decision costs while nothing changes.
func BenchmarkRenew(b *testing.B) {
	p := busy(5000)
	hold, _, err := Renew(p, Hold{Gang: "g"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if kept, start, err := Renew(p, hold, nil); err != nil || !start.Known || !kept.Start.Equal(hold.Start) {
			b.Fatal(kept.Start, start, err)
		}
	}
}

func BenchmarkSpare(b *testing.B) {
	node := Node{Name: "node-1", Allocatable: resource.Vector{96_000, 1 << 40, 8, 110}}
	for i := range 8 {
		node.Uses = append(node.Uses, Use{Amount: resource.Vector{8_000, 1 << 36, 1, 1}, Until: noon.Add(time.Duration(i) * time.Hour)})
	}
	for _, holds := range []int{0, 1, 4} {
		var held []Hold
		for i := range holds {
			amount := map[string]resource.Amounts{"node-1": {"nvidia.com/gpu": 2, "cpu": 8_000, "memory": 1 << 36, "pods": 1}}
			held = append(held, Hold{Start: noon.Add(time.Duration(i+1) * time.Hour), Amount: amount})
		}
		b.Run(fmt.Sprintf("holds=%d", holds), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Spare(benchTable, node, held, noon, noon.Add(9*time.Hour))
			}
		})
	}
}
