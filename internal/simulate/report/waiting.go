package report

import (
	"math"
	"slices"

	"github.com/muster-scheduling/muster/internal/simulate"
)

// sizes are the classes by which waiting times are told: upper bounds of the GPUs of a gang.
var sizes = []struct {
	most int64
	name string
}{
	{0, "no GPU"}, {1, "1 GPU"}, {8, "2 to 8 GPUs"}, {64, "9 to 64 GPUs"}, {math.MaxInt64, "more than 64 GPUs"},
}

// waitingTimes says how long gangs waited for their first start: all of them, by queue in the order of names, and by size.
// Groups without a gang are left out.
func waitingTimes(gangs []simulate.Outcome) (all Waiting, byQueue, bySize []Waiting) {
	var every []simulate.Outcome
	queues := map[string][]simulate.Outcome{}
	classes := make([][]simulate.Outcome, len(sizes))
	for _, o := range gangs {
		every = append(every, o)
		queues[o.Gang.Queue] = append(queues[o.Gang.Queue], o)
		for class, size := range sizes {
			if gpus(o.Gang) <= size.most {
				classes[class] = append(classes[class], o)
				break
			}
		}
	}
	names := make([]string, 0, len(queues))
	for name := range queues {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		byQueue = append(byQueue, waiting(name, queues[name]))
	}
	for class, size := range sizes {
		if len(classes[class]) > 0 {
			bySize = append(bySize, waiting(size.name, classes[class]))
		}
	}
	return waiting("all", every), byQueue, bySize
}

func waiting(of string, gangs []simulate.Outcome) Waiting {
	w := Waiting{Of: of, Gangs: len(gangs)}
	var seconds []float64
	var sum float64
	for _, o := range gangs {
		if !o.FirstStart.IsZero() {
			waited := o.FirstStart.Sub(o.Gang.Arrival).Seconds()
			seconds = append(seconds, waited)
			sum += waited
		}
	}
	if w.Started = len(seconds); w.Started == 0 {
		return w
	}
	slices.Sort(seconds)
	w.Mean = sum / float64(w.Started)
	w.P50, w.P90, w.P99 = quantile(seconds, 50), quantile(seconds, 90), quantile(seconds, 99)
	w.Max = seconds[w.Started-1]
	return w
}

// quantile is the smallest of the sorted numbers that at least percent of them do not exceed. There must be one.
func quantile(sorted []float64, percent int) float64 {
	return sorted[max((len(sorted)*percent+99)/100, 1)-1]
}
