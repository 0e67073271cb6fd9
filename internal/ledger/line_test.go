package ledger

import (
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

// TestFirst: in each case the first of the heads should go first.
func TestFirst(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, test := range []struct {
		name  string
		uses  map[string]resource.Amounts
		heads []Head
	}{
		{"covered by its guarantee", map[string]resource.Amounts{"guaranteed": gpus(8)},
			[]Head{{Queue: "guaranteed", Amount: gpus(8)}, {Queue: "one", Amount: gpus(8), Priority: 9}}},
		{"with less above the guarantee", map[string]resource.Amounts{"guaranteed": gpus(23), "one": gpus(8)},
			[]Head{{Queue: "guaranteed", Amount: gpus(8)}, {Queue: "one", Amount: gpus(8), Priority: 9}}},
		{"with the smaller share, its guarantee used up", map[string]resource.Amounts{"guaranteed": gpus(25), "one": gpus(8)},
			[]Head{{Queue: "one", Amount: gpus(8)}, {Queue: "guaranteed", Amount: gpus(8), Priority: 9}}},
		{"with a weight", map[string]resource.Amounts{"one": gpus(8)},
			[]Head{{Queue: "one", Amount: gpus(1)}, {Queue: "none", Amount: gpus(1), Priority: 9}}},
		{"with less use", map[string]resource.Amounts{"one": gpus(8), "none": gpus(9)},
			[]Head{{Queue: "other", Amount: gpus(1)}, {Queue: "one", Amount: gpus(1), Priority: 9}}},
		{"with less use for its weight", map[string]resource.Amounts{"one": gpus(8), "three": gpus(23)},
			[]Head{{Queue: "three", Amount: gpus(1)}, {Queue: "one", Amount: gpus(1), Priority: 9}}},
		{"with the smaller dominant share", map[string]resource.Amounts{"one": {"cpu": 30}, "other": gpus(40)},
			[]Head{{Queue: "one", Amount: gpus(1)}, {Queue: "other", Amount: gpus(1), Priority: 9}}},
		{"with the higher priority", nil,
			[]Head{{Queue: "other", Amount: gpus(1), Priority: 1, Born: now}, {Queue: "one", Amount: gpus(1)}}},
		{"older", nil,
			[]Head{{Queue: "other", Amount: gpus(1), Born: now}, {Queue: "one", Amount: gpus(1), Born: now.Add(1)}}},
		{"of the lesser name", nil,
			[]Head{{Queue: "one", Amount: gpus(1), ID: "z"}, {Queue: "other", Amount: gpus(1), ID: "a"}}},
		{"of the department with less use, whatever its team uses", map[string]resource.Amounts{"team": gpus(8), "one": gpus(7)},
			[]Head{{Queue: "one", Amount: gpus(1)}, {Queue: "sibling", Amount: gpus(1), Priority: 9}}},
		{"of a resource that the cluster has lost", map[string]resource.Amounts{"one": {"fpga": 1}},
			[]Head{{Queue: "other", Amount: gpus(1)}, {Queue: "one", Amount: gpus(1), Priority: 9}}},
		{"although another queue does not exist", nil,
			[]Head{{Queue: "one", Amount: gpus(1)}, {Queue: "nobody", Amount: gpus(1), Priority: 9}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := ledgerOf(Queue{Name: "guaranteed", Guarantee: gpus(16)}, Queue{Name: "one"}, Queue{Name: "other"},
				Queue{Name: "three", Weight: 3}, Queue{Name: "department"}, Queue{Name: "team", Parent: "department"},
				Queue{Name: "sibling", Parent: "department"})
			l.SetQueue(Queue{Name: "none"})
			l.SetCapacity(resource.Amounts{"nvidia.com/gpu": 100, "cpu": 100})
			for queue, amount := range test.uses {
				l.Charge(queue, amount, false)
			}
			if got := l.First(test.heads); got != 0 {
				t.Errorf("the first is %d, want 0", got)
			}
		})
	}
}

func TestFirstOfNone(t *testing.T) {
	if got := New().First(nil); got != -1 {
		t.Errorf("the first of nothing is %d", got)
	}
	if got := New().First([]Head{{Queue: "nobody"}}); got != -1 {
		t.Errorf("the first of a queue that does not exist is %d", got)
	}
}

// TestDominantResources is the example of the paper on dominant resource fairness: of 9 CPUs and 18 GB, tasks of 1 CPU and 4 GB
// and tasks of 3 CPUs and 1 GB get 3 and 2.
func TestDominantResources(t *testing.T) {
	l := ledgerOf(Queue{Name: "a", Limit: nil}, Queue{Name: "b"})
	total := resource.Amounts{"cpu": 9, "memory": 18}
	l.SetCapacity(total)
	heads := []Head{{Queue: "a", Amount: resource.Amounts{"cpu": 1, "memory": 4}}, {Queue: "b", Amount: resource.Amounts{"cpu": 3, "memory": 1}}}
	var tasks [2]int
	for free := total.Clone(); ; {
		i := l.First(heads)
		if !heads[i].Amount.Fits(free) {
			break
		}
		tasks[i]++
		free.Sub(heads[i].Amount)
		l.Charge(heads[i].Queue, heads[i].Amount, false)
	}
	if tasks != [2]int{3, 2} {
		t.Errorf("the tasks are %v, want 3 and 2", tasks)
	}
}

// TestFractionsCompareExactly checks against numbers of any size.
func TestFractionsCompareExactly(t *testing.T) {
	word := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 2, math.MaxUint64, math.MaxUint64 - 1, math.MaxInt64}))
	draw := func(t *rapid.T, label string) wide {
		return wide{word.Draw(t, label+" high"), word.Draw(t, label+" low")}
	}
	bigOf := func(words ...uint64) *big.Int {
		n := new(big.Int)
		for _, w := range words {
			n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(w))
		}
		return n
	}
	rapid.Check(t, func(t *rapid.T) {
		var f [2]fraction
		var r [2]*big.Rat
		for i := range f {
			n, d := draw(t, fmt.Sprint("numerator ", i)), draw(t, fmt.Sprint("denominator ", i))
			d.low |= 1
			f[i], r[i] = fraction{n, d}, new(big.Rat).SetFrac(bigOf(n.high, n.low), bigOf(d.high, d.low))
		}
		a, b := f[0].numerator, f[1].denominator
		words := product(a, b)
		if got, want := bigOf(words[:]...), new(big.Int).Mul(bigOf(a.high, a.low), bigOf(b.high, b.low)); got.Cmp(want) != 0 {
			t.Fatalf("%v times %v is %v, want %v", a, b, got, want)
		}
		if got, want := f[0].compare(f[1]), r[0].Cmp(r[1]); got != want {
			t.Fatalf("%v compared with %v is %d, want %d", f[0], f[1], got, want)
		}
	})
}

// BenchmarkFirst: 100 leaf queues, three levels deep, with a head each.
func BenchmarkFirst(b *testing.B) {
	l := New()
	l.SetCapacity(resource.Amounts{"cpu": 1 << 30, "memory": 1 << 50, "nvidia.com/gpu": 4000, "pods": 55000})
	var heads []Head
	amount := resource.Amounts{"cpu": 8000, "memory": 1 << 36, "nvidia.com/gpu": 8, "pods": 1}
	for i := range 4 {
		top := fmt.Sprintf("top-%d", i)
		l.SetQueue(Queue{Name: top, Weight: 1, Guarantee: gpus(100)})
		for j := range 5 {
			middle := fmt.Sprintf("%s-%d", top, j)
			l.SetQueue(Queue{Name: middle, Parent: top, Weight: int64(j), Guarantee: gpus(20)})
			for k := range 5 {
				leaf := fmt.Sprintf("%s-%d", middle, k)
				l.SetQueue(Queue{Name: leaf, Parent: middle, Weight: int64(k + 1), Guarantee: gpus(4)})
				for range (i + j + k) % 4 {
					l.Charge(leaf, amount, false)
				}
				heads = append(heads, Head{Queue: leaf, Amount: amount, ID: leaf})
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if l.First(heads) < 0 {
			b.Fatal("none is first")
		}
	}
}
