package simulate_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
	"github.com/muster-scheduling/muster/internal/simulate/input"
)

// BenchmarkSimulate replays gangs of mixed sizes on nodes of 8 GPUs, of which they ask for 85 %, in 20
// queues of two levels, half of them with a guarantee.
func BenchmarkSimulate(b *testing.B) {
	for _, size := range []struct{ gangs, nodes int }{{1000, 50}, {10000, 500}} {
		b.Run(fmt.Sprintf("gangs=%d/nodes=%d", size.gangs, size.nodes), func(b *testing.B) {
			w := workload(size.gangs, size.nodes)
			for b.Loop() {
				s, err := simulate.New(w, simulate.Options{Dispatch: dispatch.Options{Reservations: 1, Patience: 10 * time.Minute}, MaxRatio: 8, Grace: 30 * time.Second})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Run(time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func workload(gangs, nodes int) simulate.Workload {
	random := rand.New(rand.NewPCG(1, 2))
	var w simulate.Workload
	for i := range nodes {
		w.Nodes = append(w.Nodes, simulate.Node{Name: fmt.Sprint("node-", i), Allocatable: resource.Amounts{simulate.GPU: 8, "cpu": 64000, simulate.Pods: input.DefaultPods}})
	}
	for i := range 4 {
		parent := fmt.Sprint("dept-", i)
		w.Queues = append(w.Queues, ledger.Queue{Name: parent, Weight: 1, Reclaimable: true, Guarantee: resource.Amounts{simulate.GPU: int64(nodes)}})
		for k := range 5 {
			q := ledger.Queue{Name: fmt.Sprint("team-", i, "-", k), Parent: parent, Weight: int64(k + 1), Reclaimable: true}
			if k%2 == 0 {
				q.Guarantee = resource.Amounts{simulate.GPU: int64(nodes) / 5}
			}
			w.Queues = append(w.Queues, q)
		}
	}
	var trace bytes.Buffer
	fmt.Fprintln(&trace, "name,arrival,pods,gpus,cpu,duration,expected,queue,priority,min")
	at := 0.0
	for i := range gangs {
		pods := []int{1, 1, 1, 2, 4, 8, 16}[random.IntN(7)]
		per := []int{1, 2, 4, 8}[random.IntN(4)]
		lasts := 300 + random.ExpFloat64()*3000
		at += random.ExpFloat64() * 4.71 * 3.75 * 3300 / (0.85 * float64(nodes*8))
		expected := ""
		if random.IntN(3) > 0 {
			expected = fmt.Sprint(int(lasts * 1.2))
		}
		fmt.Fprintf(&trace, "job-%d,%.0f,%d,%d,%d,%.0f,%s,team-%d-%d,%d,%d\n", i, at, pods, per, 4*per, lasts, expected,
			random.IntN(4), random.IntN(5), random.IntN(2), (pods+1)/2)
	}
	gangList, err := input.Trace(&trace)
	if err != nil {
		panic(err)
	}
	w.Gangs = gangList
	return w
}
