package ledger

import (
	"math"
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
)

// SetHalfLife makes the past count: every queue gets an average of its usage in which what was used this long ago weighs half
// as much. Zero or less switches it off and forgets all averages, which is how a ledger starts.
func (l *Ledger) SetHalfLife(h time.Duration) {
	l.halfLife = max(h, 0)
	if l.halfLife == 0 {
		for _, n := range l.nodes {
			n.average = nil
		}
	}
}

// Advance brings the averages up to date, on the assumption that usage has not changed since the last call: call it before
// charging and releasing. With a usage u that is constant for the time t, the average A becomes A·2^(-t/h) + u·(1-2^(-t/h)),
// the exponential moving average with half-life h. A clock that was set back changes nothing but what the next call counts
// from; one that jumps ahead brings the averages to the present usage at most.
func (l *Ledger) Advance(now time.Time) {
	since := now.Sub(l.asOf)
	first := l.asOf.IsZero()
	l.asOf = now
	if first || since <= 0 || l.halfLife == 0 {
		return
	}
	keep := l.kept(since)
	for _, n := range l.nodes {
		if !n.exists {
			continue
		}
		n.average = grown(n.average, len(l.names)-1)
		for d := range n.average {
			used := float64(max(n.used.at(d), 0))
			n.average[d] = used + (n.average[d]-used)*keep
		}
	}
}

// kept returns which part of an average is left after a time.
func (l *Ledger) kept(after time.Duration) float64 {
	return math.Exp2(-float64(after) / float64(l.halfLife))
}

// Decayed returns the average usage of a queue, rounded to whole units, and for when it holds: the time of the last Advance.
func (l *Ledger) Decayed(queue string) (resource.Amounts, time.Time) {
	amounts := resource.Amounts{}
	if n, ok := l.nodes[queue]; ok {
		for d, average := range n.average {
			if rounded := math.Round(average); rounded >= math.MaxInt64 {
				amounts[l.names[d]] = math.MaxInt64
			} else if rounded > 0 {
				amounts[l.names[d]] = int64(rounded)
			}
		}
	}
	return amounts, l.asOf
}

// Restore sets the average of a queue to what Decayed returned, asOf a time that may be long ago: what was used since then is
// not known and counts as nothing. It advances all averages to now. A time asOf in the future, written by a clock that ran
// ahead, counts as now. Without a half-life or a queue of that name it does nothing more.
func (l *Ledger) Restore(queue string, amounts resource.Amounts, asOf, now time.Time) {
	l.Advance(now)
	n, ok := l.nodes[queue]
	if !ok || !n.exists || l.halfLife == 0 {
		return
	}
	keep := l.kept(max(now.Sub(asOf), 0))
	clear(n.average)
	for name, amount := range amounts {
		d := l.dimension(name)
		n.average = grown(n.average, d)
		n.average[d] = float64(max(amount, 0)) * keep
	}
}
