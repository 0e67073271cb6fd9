package reclaim

import (
	"fmt"
	"testing"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
)

// racks lays nodes out in racks of so many, and those in blocks, for the claimant of a problem; each part of so many members asks
// for want, 0 for no parts.
func racks(p Problem, rack, block int, whole topology.Want, part int, want topology.Want) Problem {
	labels := make([]map[string]string, len(p.Gang.Nodes))
	for node := range labels {
		labels[node] = map[string]string{"rack": fmt.Sprint("r", node/rack), "block": fmt.Sprint("b", node/rack/block)}
	}
	r := &topology.Request{
		Trees: []*topology.Tree{topology.New("t", []topology.Level{{Name: "block", Label: "block"}, {Name: "rack", Label: "rack"}}, labels)},
		Gang:  whole, Needed: p.Gang.Need.Total,
	}
	for i := range p.Gang.Classes[0].Count {
		member := topology.Member{Unit: -1}
		if part > 0 {
			if member.Unit = i / part; i%part == 0 {
				r.Units = append(r.Units, topology.Unit{Name: fmt.Sprint("part ", i/part), Want: want})
			}
		}
		r.Members = append(r.Members, member)
	}
	p.Topology = r
	return p
}

var rack, block = topology.Want{Required: "rack"}, topology.Want{Required: "block"}

func BenchmarkRack(b *testing.B) {
	benchmark(b, racks(full(500).asks("a", 0, 20, 8), 20, 5, rack, 0, rack), gang.Placed)
}

// No rack has nodes enough.
func BenchmarkImpossibleRack(b *testing.B) {
	benchmark(b, racks(full(500).asks("a", 0, 21, 8), 20, 5, rack, 0, rack), gang.Impossible)
}

// Each rack has a node whose gangs may not be evicted.
func BenchmarkImpossibleRackFirm(b *testing.B) {
	w := cluster(500, 8).queue("a", "", 2000).queue("b", "", 0)
	for i := range 4000 {
		w.run(job{name: fmt.Sprint("b", i), queue: "b", minimum: 1, gpus: 1, at: []int32{int32(i / 8)}, fixed: i/8%20 == 7})
	}
	benchmark(b, racks(w.asks("a", 0, 20, 8), 20, 5, rack, 0, rack), gang.Impossible)
}

func BenchmarkManyRacks(b *testing.B) {
	benchmark(b, racks(full(500).asks("a", 0, 4, 8), 4, 5, rack, 0, rack), gang.Placed)
}

func BenchmarkRackSpreadGangs(b *testing.B) {
	w := spread(cluster(500, 8).queue("a", "", 2000).queue("b", "", 0), 16, 16, inB)
	benchmark(b, racks(w.asks("a", 0, 10, 8), 20, 5, rack, 0, rack), gang.Placed)
}

func BenchmarkSegments(b *testing.B) {
	benchmark(b, racks(full(500).asks("a", 0, 64, 8), 10, 10, block, 4, rack), gang.Placed)
}

func BenchmarkSegmentsSpreadGangs(b *testing.B) {
	w := spread(cluster(500, 8).queue("a", "", 2000).queue("b", "", 0), 16, 16, inB)
	benchmark(b, racks(w.asks("a", 0, 16, 8), 10, 10, block, 4, rack), gang.Placed)
}

// One segment in each of most racks.
func BenchmarkManySegments(b *testing.B) {
	benchmark(b, racks(full(500).asks("a", 0, 245, 8), 10, 10, topology.Want{}, 6, rack), gang.Placed)
}

// Two nodes of each rack are free, 100 in all: enough for all members, were it not for their segments.
func BenchmarkSegmentsBesideRoom(b *testing.B) {
	w := cluster(500, 8).queue("a", "", 2000).queue("b", "", 0)
	for i := range 4000 {
		if i/8%10 < 8 {
			w.run(job{name: fmt.Sprint("b", i), queue: "b", minimum: 1, gpus: 1, at: []int32{int32(i / 8)}, lost: int64(i * 7919 % 4001)})
		}
	}
	benchmark(b, racks(w.asks("a", 0, 64, 8), 10, 10, topology.Want{}, 4, rack), gang.Placed)
}
