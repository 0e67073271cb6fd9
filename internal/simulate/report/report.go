// Package report turns what a simulation recorded into what a person reads: waiting times, use and fairness over time, and
// lost work; as text with a chart, as SVG, as CSV and as JSON. Nothing is decided here, so numbers may be floats.
package report

import (
	"math"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
)

// Report is all that is told about one simulation. Its JSON form is what `-o json` prints: times are RFC 3339, durations
// in seconds, amounts of CPU in thousandths and of memory in bytes, shares from 0 to 1.
type Report struct {
	Start           time.Time `json:"start"`
	MakespanSeconds float64   `json:"makespanSeconds"`
	// Gangs is how many there were, Started how many ever began and Finished how many came to their end.
	Gangs    int `json:"gangs"`
	Started  int `json:"started"`
	Finished int `json:"finished"`
	// Waiting is about the time from arrival to the first start: of all gangs, by queue and by size.
	Waiting        Waiting         `json:"waiting"`
	WaitingByQueue []Waiting       `json:"waitingByQueue"`
	WaitingBySize  []Waiting       `json:"waitingBySize"`
	Use            []Use           `json:"use"`
	Evictions      Evictions       `json:"evictions"`
	Pending        []Pending       `json:"pending,omitempty"`
	Fairness       Fairness        `json:"fairness"`
	Series         Series          `json:"series"`
	Outcomes       []OutcomeOfGang `json:"outcomes"`
}

// Waiting says how long a group of gangs waited for its first start. Quantiles are by nearest rank, over those that
// started.
type Waiting struct {
	Of      string  `json:"of"`
	Gangs   int     `json:"gangs"`
	Started int     `json:"started"`
	Mean    float64 `json:"meanSeconds"`
	P50     float64 `json:"p50Seconds"`
	P90     float64 `json:"p90Seconds"`
	P99     float64 `json:"p99Seconds"`
	Max     float64 `json:"maxSeconds"`
}

// Use is how much of a resource was used, as a mean over the whole time.
type Use struct {
	Resource string  `json:"resource"`
	Mean     float64 `json:"mean"` // in the units of the resource
	Share    float64 `json:"share"`
}

// Evictions sums up who had to leave.
type Evictions struct {
	Gangs int `json:"gangs"` // times that a gang left with its minimum
	Pods  int `json:"pods"`
	// LostGPUSeconds is work that has to be done again, DoneGPUSeconds all that ran to its end or still runs.
	LostGPUSeconds float64 `json:"lostGPUSeconds"`
	DoneGPUSeconds float64 `json:"doneGPUSeconds"`
	// Ratio is what was evicted over what the gangs asked for which it was evicted, in GPUs, or CPUs where nobody asked for a
	// GPU; WorstRatio is that of the worst single decision.
	Ratio      float64 `json:"evictedPerAsked"`
	WorstRatio float64 `json:"worstEvictedPerAsked"`
}

// Pending is how many gangs wait at the end for one reason; Message is that of the first of them.
type Pending struct {
	Reason  string `json:"reason"`
	Gangs   int    `json:"gangs"`
	Message string `json:"message"`
}

// OutcomeOfGang is what became of one gang.
type OutcomeOfGang struct {
	Name           string    `json:"name"`
	Queue          string    `json:"queue"`
	Arrival        time.Time `json:"arrival"`
	Start          time.Time `json:"start,omitzero"`
	End            time.Time `json:"end,omitzero"`
	WaitedSeconds  float64   `json:"waitedSeconds"` // waiting again after evictions included
	EvictedPods    int       `json:"evictedPods,omitempty"`
	Reason         string    `json:"reason,omitempty"`
	Message        string    `json:"message,omitempty"`
	LostGPUSeconds float64   `json:"lostGPUSeconds,omitempty"`
}

// New makes the report of a result; its series has the given number of points, at least one.
func New(r simulate.Result, points int) Report {
	report := Report{Start: r.Start, MakespanSeconds: r.End.Sub(r.Start).Seconds(), Gangs: len(r.Gangs)}
	lost := make([]float64, len(r.Gangs))
	for _, e := range r.Evictions {
		lost[e.Gang] += float64(e.LostGPUSeconds)
	}
	for i, o := range r.Gangs {
		if !o.FirstStart.IsZero() {
			report.Started++
		}
		if !o.End.IsZero() {
			report.Finished++
		}
		report.Outcomes = append(report.Outcomes, OutcomeOfGang{
			Name: o.Gang.Name, Queue: o.Gang.Queue, Arrival: o.Gang.Arrival, Start: o.FirstStart, End: o.End, WaitedSeconds: o.Waited.Seconds(),
			EvictedPods: o.EvictedPods, Reason: string(o.Verdict.Reason), Message: o.Verdict.Message, LostGPUSeconds: lost[i],
		})
	}
	report.Waiting, report.WaitingByQueue, report.WaitingBySize = waitingTimes(r.Gangs)
	report.Series = series(r, points)
	report.Use = use(r, report.Series)
	report.Evictions = evictions(r, report.Series)
	report.Pending = pending(r.Gangs)
	report.Fairness = fairness(report.Series)
	return report
}

// use leaves out what the cluster does not have and what nobody used.
func use(r simulate.Result, s Series) []Use {
	var all []Use
	for d := range r.Table.Len() {
		name := r.Table.Name(d)
		var used, capacity float64
		for _, p := range s.Points {
			used += p.Used[name]
			capacity += p.Capacity[name]
		}
		if used > 0 && capacity > 0 {
			all = append(all, Use{Resource: name, Mean: used / float64(len(s.Points)), Share: used / capacity})
		}
	}
	slices.SortStableFunc(all, func(a, b Use) int { return rank(a.Resource) - rank(b.Resource) })
	return all
}

// rank puts what is scarce first.
func rank(name string) int {
	if at := slices.Index([]string{simulate.GPU, "cpu", "memory"}, name); at >= 0 {
		return at
	}
	if name == simulate.Pods {
		return 4
	}
	return 3
}

func evictions(r simulate.Result, s Series) Evictions {
	var e Evictions
	evicted, asked := map[int]float64{}, map[int]float64{}
	var decisions []int
	for _, one := range r.Evictions {
		e.Pods += one.Pods
		e.LostGPUSeconds += float64(one.LostGPUSeconds)
		if one.Whole {
			e.Gangs++
		}
		if one.For < 0 {
			continue
		}
		by := simulate.GPU
		if one.Asked[by] == 0 {
			by = "cpu"
		}
		d := one.Decision
		if asked[d] == 0 {
			decisions = append(decisions, d)
		}
		evicted[d] += float64(one.Used[by])
		asked[d] = float64(one.Asked[by])
	}
	var sumEvicted, sumAsked float64
	for _, d := range decisions {
		sumEvicted += evicted[d]
		sumAsked += asked[d]
		e.WorstRatio = max(e.WorstRatio, ratio(evicted[d], asked[d]))
	}
	e.Ratio = ratio(sumEvicted, sumAsked)
	for _, p := range s.Points {
		e.DoneGPUSeconds += p.Used[simulate.GPU] * s.IntervalSeconds
	}
	e.DoneGPUSeconds = max(0, math.Round(e.DoneGPUSeconds-e.LostGPUSeconds))
	return e
}

// ratio is a/b, and 0 where there is nothing to compare with.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func pending(gangs []simulate.Outcome) []Pending {
	var all []Pending
	for _, o := range gangs {
		if !o.End.IsZero() || o.Verdict.Reason == "" {
			continue
		}
		at := slices.IndexFunc(all, func(p Pending) bool { return p.Reason == string(o.Verdict.Reason) })
		if at < 0 {
			all = append(all, Pending{Reason: string(o.Verdict.Reason), Message: o.Gang.Name + ": " + o.Verdict.Message})
			at = len(all) - 1
		}
		all[at].Gangs++
	}
	slices.SortStableFunc(all, func(a, b Pending) int { return b.Gangs - a.Gangs })
	return all
}

// gpus is what all members of a gang ask for.
func gpus(g simulate.Gang) int64 { return resource.Product(g.Request[simulate.GPU], int64(g.Pods)) }
