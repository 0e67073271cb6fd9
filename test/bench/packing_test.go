package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/fragmentation"
)

func TestTrace(t *testing.T) {
	trace, err := readTrace()
	if err != nil {
		t.Fatal(err)
	}
	if len(trace.nodes) != 1213 || len(trace.pods) != 8152 || trace.capacity != 6_212_000 {
		t.Errorf("%d nodes with %d milli-GPUs, %d pods", len(trace.nodes), trace.capacity, len(trace.pods))
	}
	arrivals := trace.arrivals(42)
	sum := int64(0)
	drawn := map[*tracePod]int{}
	for _, p := range arrivals {
		sum += p.milli()
		drawn[p]++
	}
	if len(drawn) != len(trace.pods) || 10*sum < 13*trace.capacity || 10*(sum-8000) >= 13*trace.capacity {
		t.Errorf("%d of the pods arrive and ask for %d milli-GPUs", len(drawn), sum)
	}
	if !slices.Equal(arrivals, trace.arrivals(42)) || slices.Equal(arrivals, trace.arrivals(43)) {
		t.Error("arrivals do not depend on the seed, or on more than that")
	}
}

// One seed of each system, twice: the same both times, and ours and FGD, which differ by some 60 GPUs, in this order.
func TestPack(t *testing.T) {
	w, err := named("PACK/10")
	if err != nil {
		t.Fatal(err)
	}
	r := measure(t.Context(), w, "muster", 1, 2, time.Minute)
	if !r.complete || r.broken {
		t.Fatalf("complete %v, broken %v: %s", r.complete, r.broken, r.note)
	}
	for _, m := range metrics {
		if _, measured := r.values[m.name]; measured != strings.HasPrefix(m.name, "pack_") {
			t.Errorf("%s: measured %v", m.name, measured)
		}
	}
	order := []string{"random", "bestfit", "fgd", "muster", "offline"}
	for _, at := range []string{"_100", "_130"} {
		for i, name := range order[1:] {
			if less, more := r.values["pack_"+order[i]+at], r.values["pack_"+name+at]; less >= more {
				t.Errorf("%s allocates %.2f %% and %s %.2f %% at %s", order[i], less, name, more, at[1:])
			}
		}
	}
	if again, err := pack(t.Context(), w, 2); err != nil || !maps.Equal(r.values, again) {
		t.Errorf("then %v, %v; before %v", again, err, r.values)
	}
}

// firstFree puts everything on the first node, whether there is room or not.
type firstFree struct{}

func (firstFree) choose([]packNode, *tracePod) (int, int64) { return 0, 1000 }

func TestPlayFindsCheats(t *testing.T) {
	trace, err := readTrace()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trace.play(context.Background(), 42, firstFree{}); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("error %v, want one about room", err)
	}
}

func TestFGD(t *testing.T) {
	trace := &openb{
		shapes: []fragmentation.Demand{{CPU: 4, Memory: 1, Kind: "gpu", GPUs: 1}, {CPU: 2, Memory: 99, Kind: "gpu", Milli: 400}, {CPU: 1}},
		pods:   make([]tracePod, 4),
	}
	for i, shape := range []int{0, 0, 1, 2} {
		trace.pods[i] = tracePod{trace.shapes[shape], shape}
	}
	f := newFGD(trace, 0).(*remembering)
	node := packNode{Node: fragmentation.Node{CPU: 3, Memory: 1, GPUs: []fragmentation.Devices{{Kind: "gpu", Free: 1, Parts: []int64{300, 600}}}}}
	fragmentationOf := func(n packNode) float64 {
		fresh := fgd{shapes: trace.shapes, share: []float64{0.5, 0.25, 0.25}}
		return fresh.fragmentation(&n)
	}
	// The first lacks CPU, the second cannot use 300, the third wants no GPU.
	if got := fragmentationOf(node); got != 0.5*1900+0.25*300+0.25*1900 {
		t.Errorf("fragmentation %v", got)
	}
	node.CPU = 9
	if got := fragmentationOf(node); got != 0.5*900+0.25*300+0.25*1900 {
		t.Errorf("fragmentation with CPU %v", got)
	}
	if o := f.judge(&node, &tracePod{trace.shapes[1], 1}); o.left != 600 {
		t.Errorf("the share is taken from %d, want 600", o.left)
	}
}
