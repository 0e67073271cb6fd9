package topology

import (
	"testing"

	"github.com/muster-scheduling/muster/internal/gang"
)

// alone is a Space that lets one member on each node, or none on some, and counts what it is asked.
type alone struct {
	taken  []bool
	placed []int32
	calls  int
}

func (s *alone) Place(_ int, node int32) (bool, error) {
	s.calls++
	if s.taken[node] {
		return false, nil
	}
	s.taken[node] = true
	s.placed = append(s.placed, node)
	return true, nil
}

func (s *alone) Undo() error {
	last := len(s.placed) - 1
	s.taken[s.placed[last]] = false
	s.placed = s.placed[:last]
	return nil
}

func benchmarkSpace(b *testing.B, members int, r *Request, every int, want gang.Result) {
	p, labels := with(cluster(5000, 0, 8), "worker", members, oneGPU), layout(5000, 250, 10)
	r.Trees = []*Tree{New("default", levels, labels)}
	s := &alone{taken: make([]bool, len(p.Nodes))}
	for node := range s.taken {
		s.taken[node] = node%every != 0
	}
	b.ReportAllocs()
	racks := map[int32]bool{}
	for b.Loop() {
		s.calls = 0
		a, err := Plan(p, r, s)
		if err != nil || a.Result != want {
			b.Fatalf("%v with %d members, error %v; want %v", a.Result, a.Total(), err, want)
		}
		clear(racks)
		for _, node := range a.At {
			racks[r.Trees[0].Domain(1, node)] = true
		}
	}
	b.ReportMetric(float64(s.calls), "calls")
	b.ReportMetric(float64(len(racks)), "racks")
}

func BenchmarkSpace(b *testing.B) {
	benchmarkSpace(b, 300, &Request{Gang: blockAndRack}, 1, gang.Placed)
}

func BenchmarkSpaceSmallGang(b *testing.B) {
	benchmarkSpace(b, 8, &Request{Gang: Want{Required: "rack"}}, 1, gang.Placed)
}

// Only every third node takes a member: no rack has so many.
func BenchmarkSpaceMustFail(b *testing.B) {
	benchmarkSpace(b, 16, &Request{Gang: Want{Required: "rack"}}, 3, gang.BudgetSpent)
}

func BenchmarkSpaceSegments(b *testing.B) {
	p := gang.Problem{Need: gang.Need{Total: 256}}
	r := segments(p, 8, Want{Required: "rack"})
	benchmarkSpace(b, 256, r, 1, gang.Placed)
}
