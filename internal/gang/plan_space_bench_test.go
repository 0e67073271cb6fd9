package gang

import (
	"testing"

	"github.com/muster-scheduling/muster/internal/resource"
)

// domains is a Space that answers in constant time, so that the benchmarks count what a real one would be asked.
type domains struct {
	of      []int // the domain of each node
	members []int // in each domain
	allow   func(members []int, domain int) bool
	placed  []int32
	calls   int
}

func (s *domains) Place(_ int, node int32) (bool, error) {
	s.calls++
	if !s.allow(s.members, s.of[node]) {
		return false, nil
	}
	s.members[s.of[node]]++
	s.placed = append(s.placed, node)
	return true, nil
}

func (s *domains) Undo() error {
	last := len(s.placed) - 1
	s.members[s.of[s.placed[last]]]--
	s.placed = s.placed[:last]
	return nil
}

// benchmarkSpace plans 1,000 members on 5,000 nodes in n domains; the i-th node is in domain i modulo n, as
// kube-scheduler's snapshot takes its nodes from the zones in turn.
func benchmarkSpace(b *testing.B, members, n int, allow func(members []int, domain int) bool, want Result) {
	p := cluster(5000).with("worker", members, oneGPU)
	s := &domains{members: make([]int, n), allow: allow}
	for node := range p.Nodes {
		s.of = append(s.of, node%n)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.calls = 0
		o, err := Plan(p, s)
		if err != nil || o.Result != want {
			b.Fatalf("%v with %d members, error %v; want %v", o.Result, o.Total(), err, want)
		}
	}
	b.ReportMetric(float64(s.calls), "calls")
}

func apart(members []int, domain int) bool { return members[domain] == 0 }

func spread(members []int, domain int) bool {
	least := members[0]
	for _, n := range members {
		least = min(least, n)
	}
	return members[domain] == least
}

func near(members []int, domain int) bool {
	for d, n := range members {
		if n > 0 {
			return d == domain
		}
	}
	return true
}

func BenchmarkPlanSpaceApart(b *testing.B)         { benchmarkSpace(b, 1000, 5000, apart, Placed) }
func BenchmarkPlanSpaceSpread(b *testing.B)        { benchmarkSpace(b, 1000, 3, spread, Placed) }
func BenchmarkPlanSpaceNear(b *testing.B)          { benchmarkSpace(b, 1000, 5, near, Placed) }
func BenchmarkPlanSpaceApartMustFail(b *testing.B) { benchmarkSpace(b, 1000, 900, apart, BudgetSpent) }
func BenchmarkPlanSpaceNearMustFail(b *testing.B)  { benchmarkSpace(b, 1000, 50, near, BudgetSpent) }

// The zone that the gang begins in is too small for it.
func BenchmarkPlanSpaceElsewhere(b *testing.B) {
	p := Problem{}
	s := &domains{members: make([]int, 10), allow: near}
	for node := range 5000 {
		gpus := int64(1)
		if node%10 == 7 {
			gpus = 8
		}
		p.Nodes = append(p.Nodes, Node{Free: resource.Vector{96_000, gpus, 1024 * gib, 110}, Idle: gpus == 8})
		s.of = append(s.of, node%10)
	}
	p = p.with("worker", 1000, oneGPU)
	for b.Loop() {
		s.calls = 0
		if o, err := Plan(p, s); err != nil || o.Result != Placed {
			b.Fatalf("%v with %d members, error %v", o.Result, o.Total(), err)
		}
	}
	b.ReportMetric(float64(s.calls), "calls")
}
