package ledger

import (
	"testing"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Nobody knows how many devices of a class the cluster has: they make no queue look greedy, and a guarantee of them is not
// taken for one that cannot be kept. Limits and guarantees hold as for all else.
func TestDevicesOfAClass(t *testing.T) {
	devices := resource.DevicesOf("gpu.example.com")
	l := New()
	l.SetCapacity(resource.Amounts{"cpu": 10})
	l.SetQueue(Queue{Name: "a", Weight: 1, Guarantee: resource.Amounts{devices: 4}, Limit: resource.Amounts{devices: 8}})
	l.SetQueue(Queue{Name: "b", Weight: 1})
	l.Charge("a", resource.Amounts{devices: 6, "cpu": 1}, false)
	l.Charge("b", resource.Amounts{"cpu": 2}, false)
	asked := resource.Amounts{"cpu": 1}
	heads := []Head{{Queue: "a", ID: "a", Amount: asked}, {Queue: "b", ID: "b", Amount: asked}}
	if first := l.First(heads); first != 0 {
		t.Errorf("queue %s goes first, which has more of the cluster", heads[first].Queue)
	}
	if fault := l.Shortfall("a"); fault != nil {
		t.Errorf("the guarantee cannot be kept, since %s", fault.Message)
	}
	for amount, want := range map[int64]bool{2: false, 3: true} {
		if refusal := l.Check("a", resource.Amounts{devices: amount}, false); (refusal != nil) != want {
			t.Errorf("%d more devices are refused: %v", amount, refusal)
		}
	}
	if refusal := l.Check("a", resource.Amounts{devices: 9}, false); refusal == nil || !refusal.Never() {
		t.Errorf("9 devices, more than the limit: %v", refusal)
	}
	l.Release("a", resource.Amounts{devices: 6}, false)
	if !l.Covered("a", resource.Amounts{devices: 4}) || l.Covered("a", resource.Amounts{devices: 5}) {
		t.Error("the guarantee of 4 devices covers 5, or not 4")
	}
}
