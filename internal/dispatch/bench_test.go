package dispatch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// BenchmarkDecision is one more decision while 10,000 gangs of 20 shapes wait for room on 500 full nodes of 8 GPUs: a pod
// ends, a gang arrives that fits into its place, is handed out and starts, and nobody else can.
func BenchmarkDecision(b *testing.B) {
	for _, queues := range []int{1, 100} {
		for _, guaranteed := range []bool{false, true} {
			b.Run(fmt.Sprintf("queues=%d/guaranteed=%t", queues, guaranteed), func(b *testing.B) { benchmarkDecision(b, queues, guaranteed) })
		}
	}
}

func benchmarkDecision(b *testing.B, queues int, guaranteed bool) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := dispatch.New(dispatch.Options{Reservations: 1, Patience: time.Minute})
	leaves := tree(d.Ledger, queues, guaranteed)
	one := resource.Amounts{"gpu": 1}
	for i := range 4000 {
		node := fmt.Sprint("node-", i/8)
		d.SetNode(node, resource.Amounts{"gpu": 8, "cpu": 64000}, "")
		d.Occupy(node, fmt.Sprint("pod-", i), dispatch.Use{Amount: one})
		queue := leaves[i%len(leaves)]
		d.Charge(queue, one, false)
		d.Started(queue, 0, now)
	}
	for i := range 10_000 {
		now = now.Add(time.Millisecond)
		size := int64(i/len(leaves)%20 + 1)
		d.Add(dispatch.Gang{
			ID: fmt.Sprint("gang-", i), Queue: leaves[i%len(leaves)], Born: now, Shape: fmt.Sprint("shape-", size),
			Amount: resource.Amounts{"gpu": 8 * size}, Members: []dispatch.Members{{Count: int(size), Amount: resource.Amounts{"gpu": 8}}},
		}, now)
	}
	block := func() {
		for turn, ok := d.Next(now); ok; turn, ok = d.Next(now) {
			d.Block(turn.ID, dispatch.Blocked{Verdict: gang.Verdict{Reason: gang.Unschedulable}, Wake: dispatch.WhenItFits}, now)
		}
	}
	block()
	now = now.Add(30 * time.Second) // Looking for victims is worth it again.
	d.Wake()
	block()
	for i := 0; b.Loop(); i++ {
		pod, queue := fmt.Sprint("pod-", i%4000), leaves[i%len(leaves)]
		node := fmt.Sprint("node-", i%4000/8)
		now = now.Add(time.Microsecond)
		d.Vacate(node, pod)
		d.Ended(queue, 0)
		d.Release(queue, one, false)
		d.Add(dispatch.Gang{
			ID: "new", Queue: queue, Born: now, Shape: "one", Amount: one, Members: []dispatch.Members{{Count: 1, Amount: one}},
		}, now)
		turn, ok := d.Next(now)
		if !ok || turn.ID != "new" {
			b.Fatalf("it is the turn of %q (%t), not of the gang that fits", turn.ID, ok)
		}
		d.Placed("new")
		d.Charge(queue, one, false)
		d.Started(queue, 0, now)
		d.Occupy(node, pod, dispatch.Use{Amount: one})
		if turn, ok := d.Next(now); ok {
			b.Fatalf("it is the turn of %q, which does not fit", turn.ID)
		}
	}
}

// tree makes a number of queues on three levels and returns the lowest: one, or a multiple of 20.
func tree(l *ledger.Ledger, leaves int, guaranteed bool) []string {
	set := func(name, parent string, guarantee int64) string {
		q := ledger.Queue{Name: name, Parent: parent, Weight: 1, Reclaimable: true}
		if guaranteed {
			q.Guarantee = resource.Amounts{"gpu": guarantee}
		}
		l.SetQueue(q)
		return name
	}
	if leaves == 1 {
		return []string{set("only", "", 4000)}
	}
	var names []string
	for i := range 4 {
		top := set(fmt.Sprint("top-", i), "", 1000)
		for j := range 5 {
			middle := set(fmt.Sprint("middle-", i, "-", j), top, 200)
			for k := range leaves / 20 {
				names = append(names, set(fmt.Sprint("leaf-", i, "-", j, "-", k), middle, 40))
			}
		}
	}
	return names
}
