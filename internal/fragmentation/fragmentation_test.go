package fragmentation

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What a placement leaves all shapes as much room as before costs nothing.
func TestWhatNobodyMissesCostsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, n := drawMix(t), drawNode(t)
		most := int64(longest * 9) // what a stream asks for at most
		n.CPU, n.Memory = n.CPU+2*most, n.Memory+2*most
		d := Demand{CPU: rapid.Int64Range(0, most).Draw(t, "cpu"), Memory: rapid.Int64Range(0, most).Draw(t, "memory")}
		if cost := m.Costs([]Node{n}, d, 1)[0]; cost != 0 {
			t.Fatalf("plenty is left, but it costs %d", cost)
		}
		if cost := m.Costs([]Node{{CPU: 10, Memory: 10}}, Demand{CPU: 1}, 3)[0]; cost != 0 {
			t.Fatalf("there is no GPU, but it costs %d", cost)
		}
	})
}

func TestEqualHistoriesHaveEqualCosts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		demands := rapid.SliceOfN(rapid.Custom(drawDemand), 1, 100).Draw(t, "demands")
		nodes := rapid.SliceOfN(rapid.Custom(drawNode), 1, 5).Draw(t, "nodes")
		var first []int64
		for range 3 {
			w := NewWorkload(100)
			var costs []int64
			for i, d := range demands {
				w.Observe(d, 1, epoch.Add(10*1))
				costs = append(costs, w.Mix(epoch.Add(10), Waiting{demands[0], i}).Costs(nodes, d, 2)...)
			}
			if first == nil {
				first = costs
			}
			if !slices.Equal(first, costs) {
				t.Fatalf("costs %v, then %v", first, costs)
			}
		}
	})
}

// Absurd amounts neither panic nor overflow: no cost is beyond what a node has.
func TestAbsurdAmounts(t *testing.T) {
	absurd := rapid.OneOf(rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, 15, 16, 17, 999, 1000, 1001, math.MaxInt32 + 1, math.MaxInt64}), rapid.Int64())
	rapid.Check(t, func(t *rapid.T) {
		demand := rapid.Custom(func(t *rapid.T) Demand {
			return Demand{absurd.Draw(t, "cpu"), absurd.Draw(t, "memory"), "a", absurd.Draw(t, "gpus"), absurd.Draw(t, "milli")}
		})
		w := NewWorkload(1)
		for range 3 {
			w.Observe(demand.Draw(t, "seen"), rapid.SampledFrom([]int{-1, 0, 1, math.MaxInt}).Draw(t, "pods"), epoch)
		}
		m := w.Mix(epoch, Waiting{demand.Draw(t, "waiting"), math.MaxInt})
		n := Node{absurd.Draw(t, "cpu"), absurd.Draw(t, "memory"), []Devices{{"a", absurd.Draw(t, "free"), rapid.SliceOfN(absurd, 0, 40).Draw(t, "parts")}}}
		bound := int64(2 * 1000 * (mostFree + mostParts))
		if waste := m.Waste(&n); waste < 0 || waste > bound {
			t.Fatalf("waste %d", waste)
		}
		d := demand.Draw(t, "demand")
		cost, _ := m.Cost(&n, d)
		for _, c := range []int64{cost, m.Costs([]Node{n}, d, 100)[0], m.Costs([]Node{n}, d, 1)[0]} {
			if c != NoRoom && (c < -bound || c > bound) {
				t.Fatalf("cost %d", c)
			}
		}
	})
}

// seen is a mix of pods, as many of each as it says.
func seen(pods ...Waiting) *Mix { return NewWorkload(0).Mix(epoch, pods...) }

func gpus(cpu, number int64) Demand { return Demand{CPU: cpu, Memory: 1, Kind: "gpu", GPUs: number} }

func share(cpu, milli int64) Demand { return Demand{CPU: cpu, Memory: 1, Kind: "gpu", Milli: milli} }

// with is a node with CPU and free GPUs, and parts of others.
func with(cpu, free int64, parts ...int64) Node {
	return Node{CPU: cpu, Memory: 1000, GPUs: []Devices{{"gpu", free, parts}}}
}

func TestWhereItCostsLeast(t *testing.T) {
	oneGPU := seen(Waiting{gpus(8, 1), 10})
	tests := []struct {
		name  string
		mix   *Mix
		pod   Demand
		nodes []Node
		best  []int // all that cost least
	}{
		{
			"whole nodes are kept for those who need them", seen(Waiting{gpus(8, 1), 50}, Waiting{gpus(64, 8), 50}), gpus(8, 1),
			[]Node{with(64, 8), with(64, 7), with(64, 3)}, []int{1, 2},
		},
		{"nobody has needed a whole node yet", oneGPU, gpus(8, 1), []Node{with(64, 8), with(64, 3), with(64, 7)}, []int{1, 2}},
		{"CPU beside free GPUs is kept", oneGPU, Demand{CPU: 16, Memory: 1}, []Node{with(64, 8), with(64, 2), with(80, 8)}, []int{1, 2}},
		{"GPUs without CPU for anybody else", oneGPU, gpus(1, 1), []Node{with(64, 8), with(15, 2)}, []int{1}},
		{
			"the share that completes a GPU", seen(Waiting{share(1, 500), 9}, Waiting{share(1, 300), 9}), share(1, 500),
			[]Node{with(99, 4), with(99, 0, 700), with(99, 0, 500)}, []int{2},
		},
		{"nobody is known to want anything", seen(), gpus(1, 1), []Node{with(64, 8), with(1, 1)}, []int{0, 1}},
		{"another kind of GPU suffers", oneGPU, Demand{CPU: 8, Memory: 1, Kind: "other", GPUs: 1}, []Node{
			{CPU: 64, Memory: 100, GPUs: []Devices{{Kind: "gpu", Free: 8}, {Kind: "other", Free: 1}}},
			{CPU: 64, Memory: 100, GPUs: []Devices{{Kind: "gpu", Free: 4}, {Kind: "other", Free: 1}}},
		}, []int{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			costs := tt.mix.Costs(tt.nodes, tt.pod, 1)
			var best []int
			for i, c := range costs {
				if c == slices.Min(costs) {
					best = append(best, i)
				}
			}
			if !slices.Equal(best, tt.best) {
				t.Errorf("the best are %v, want %v; costs %v", best, tt.best, costs)
			}
		})
	}
}

// More free devices than are looked at count as so many.
func TestManyDevices(t *testing.T) {
	m := seen(Waiting{gpus(1, 1), 1}, Waiting{gpus(2, 2), 1})
	if cost := m.Costs([]Node{with(1000, 56)}, gpus(1, 1), 1)[0]; cost != 0 {
		t.Errorf("one of 56 devices costs %d", cost)
	}
	if costs := m.Costs([]Node{with(1000, 56), with(1000, 40)}, gpus(40, 40), 2); costs[0] == NoRoom || costs[1] == NoRoom {
		t.Errorf("40 of 56 devices, and of 40, cost %v", costs)
	}
}
