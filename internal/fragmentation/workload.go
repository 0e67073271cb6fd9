package fragmentation

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// MaxShapes is how many shapes a Workload tells apart. A cluster's pods have few: in the trace of docs/packing.md 19 in 20 pods
// that want a GPU have one of 64.
const MaxShapes = 64

// Workload is what is known of the pods that a cluster gets: how many came of each shape, those of long ago counting less. A pod
// that came a half-life ago counts half. Pods that want no GPU are not looked at. It may not be used concurrently.
type Workload struct {
	halfLife time.Duration
	asOf     time.Time
	shapes   []shape // in the order in which they were seen first
	latest   *Mix
}

// shape is a kind of pod and how many of it there were.
type shape struct {
	Demand
	weight float64
}

// NewWorkload makes a workload that knows nothing yet. With a half-life of zero or less nothing is ever forgotten, but for
// shapes that are too many.
func NewWorkload(halfLife time.Duration) *Workload { return &Workload{halfLife: halfLife} }

// Observe takes note of n pods of one shape that came now. A clock that was set back forgets nothing.
func (w *Workload) Observe(d Demand, n int, now time.Time) {
	w.advance(now)
	w.shapes = observe(w.shapes, d, n)
}

// advance lets the past fade: the weight of each shape becomes w·2^(-t/h) after the time t, with the half-life h.
func (w *Workload) advance(now time.Time) {
	since := now.Sub(w.asOf)
	first := w.asOf.IsZero()
	w.asOf = now
	if first || since <= 0 || w.halfLife <= 0 {
		return
	}
	keep := math.Exp2(-float64(since) / float64(w.halfLife))
	for i := range w.shapes {
		w.shapes[i].weight *= keep
	}
	w.shapes = slices.DeleteFunc(w.shapes, func(s shape) bool { return s.weight < forgotten })
}

// forgotten is the weight below which a shape is dropped: one pod ten half-lives ago.
const forgotten = 1.0 / 1024

func observe(shapes []shape, d Demand, n int) []shape {
	d = d.clean()
	if n <= 0 || !d.wantsGPU() {
		return shapes
	}
	at := slices.IndexFunc(shapes, func(s shape) bool { return s.Demand == d })
	if at < 0 {
		at = len(shapes)
		shapes = append(shapes, shape{Demand: d})
	}
	shapes[at].weight += float64(n)
	if len(shapes) > MaxShapes {
		return mergeLightest(shapes, at)
	}
	return shapes
}

// mergeLightest drops the shape that asks for the fewest GPUs in all, the one at spared excepted, and counts its pods as pods of
// the most similar shape, if there is one that asks for as many GPUs.
func mergeLightest(shapes []shape, spared int) []shape {
	lightest := -1
	for i, s := range shapes {
		if i != spared && (lightest < 0 || s.demand() < shapes[lightest].demand()) {
			lightest = i
		}
	}
	nearest, least := -1, math.Inf(1)
	for i, s := range shapes {
		if i == lightest || s.Kind != shapes[lightest].Kind || s.GPUs != shapes[lightest].GPUs {
			continue
		}
		if d := distance(s.Demand, shapes[lightest].Demand); d < least {
			nearest, least = i, d
		}
	}
	if nearest >= 0 {
		shapes[nearest].weight += shapes[lightest].weight
	}
	return slices.Delete(shapes, lightest, lightest+1)
}

// demand is how many GPUs all pods of a shape ask for together. A share counts as a whole GPU.
func (s shape) demand() float64 { return s.weight * float64(max(s.GPUs, 1)) }

// distance says how little two shapes with the same number of GPUs are alike, by the ratios of what they ask for.
func distance(a, b Demand) float64 {
	ratio := func(x, y int64) float64 { return math.Abs(math.Log((float64(x) + 1) / (float64(y) + 1))) }
	return ratio(a.CPU, b.CPU) + ratio(a.Memory, b.Memory) + 4*ratio(a.Milli, b.Milli)
}

// Waiting is a number of pods of one shape that wait to be placed.
type Waiting struct {
	Demand
	Pods int
}

// mostWaiting is how many shapes of those that wait are looked at.
const mostWaiting = 4 * MaxShapes

func (w Waiting) demand() float64 { return shape{w.clean(), float64(w.Pods)}.demand() }

// Mix returns what is known at a time: what was observed, and on top of it the pods that wait, each of which counts once more, in
// full; of very many shapes those that ask for most GPUs. It is the Mix of the call before, which remembers the prices that it was asked for, as long as the shares of the
// shapes have shifted by less than a tenth since.
func (w *Workload) Mix(now time.Time, waiting ...Waiting) *Mix {
	w.advance(now)
	shapes := slices.Clone(w.shapes)
	if len(waiting) > mostWaiting {
		waiting = slices.Clone(waiting)
		slices.SortStableFunc(waiting, func(a, b Waiting) int { return cmp.Compare(b.demand(), a.demand()) })
		waiting = waiting[:mostWaiting]
	}
	for _, pods := range waiting {
		shapes = observe(shapes, pods.Demand, pods.Pods)
	}
	if w.latest == nil || shift(w.latest.shapes, shapes) > tolerated {
		w.latest = newMix(shapes)
	}
	return w.latest
}

// tolerated is the shift up to which a Mix is good enough.
const tolerated = 0.1

// shift is which part of the pods would have to be of another shape for a to have the shares of b: half the sum of the
// differences, between 0 and 1.
func shift(a, b []shape) float64 {
	if len(a) == 0 || len(b) == 0 {
		return float64(min(1, len(a)+len(b)))
	}
	share := make(map[Demand]float64, len(a)+len(b))
	add := func(shapes []shape, sign float64) {
		sum := 0.0
		for _, s := range shapes {
			sum += s.weight
		}
		for _, s := range shapes {
			share[s.Demand] += sign * s.weight / sum
		}
	}
	add(a, 1)
	add(b, -1)
	// Summed in the order of the shapes, not of the map, so that rounding is the same each time.
	all := 0.0
	for _, shapes := range [][]shape{a, b} {
		for _, s := range shapes {
			all += math.Abs(share[s.Demand])
			delete(share, s.Demand)
		}
	}
	return all / 2
}
