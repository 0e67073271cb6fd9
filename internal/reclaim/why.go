package reclaim

import (
	"fmt"
	"math"
	"strconv"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// evicted is what the units that are gone used.
func (d *decider) evicted(s *scene) resource.Amounts {
	evicted := resource.Amounts{}
	for _, u := range s.taken {
		evicted.Add(d.p.Units[u].Usage)
	}
	return evicted
}

// ratio is how many times what is asked is evicted of the dominant resource.
func (d *decider) ratio(evicted resource.Amounts) float64 {
	if d.dominant == "" {
		return 0
	}
	return float64(evicted[d.dominant]) / float64(d.p.Asked[d.dominant])
}

// most is how much may be evicted of the dominant resource.
func (d *decider) most() int64 {
	if d.p.MaxRatio <= 0 || d.dominant == "" {
		return math.MaxInt64
	}
	most := d.p.MaxRatio * float64(d.p.Asked[d.dominant])
	if most >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(most)
}

// tooMuch says that what is gone is more than MaxRatio allows, or is empty.
func (d *decider) tooMuch(s *scene) string {
	evicted := d.evicted(s)[d.dominant]
	if evicted <= d.most() {
		return ""
	}
	return "would evict " + d.againstBound(evicted)
}

func (d *decider) againstBound(evicted int64) string {
	return fmt.Sprintf("%s %s for %s asked: over the bound of %s", ledger.Format(d.dominant, evicted), d.dominant,
		ledger.Format(d.dominant, d.p.Asked[d.dominant]), strconv.FormatFloat(d.p.MaxRatio, 'g', 4, 64))
}

// gangs is how many gangs have units among those given.
func (d *decider) gangs(units []int) string {
	names := map[string]struct{}{}
	for _, u := range units {
		names[d.p.Units[u].Gang] = struct{}{}
	}
	return count(len(names), "gang")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// whyNoQuota says that the quota would not do with everything gone that may go.
func (d *decider) whyNoQuota(refusal ledger.Refusal) string {
	if len(d.eligible) == 0 {
		return d.whyNothing() + "; " + refusal.String()
	}
	return fmt.Sprintf("evicting everything that may be evicted (%s) would leave %s", d.gangs(d.eligible), refusal)
}

// whyNoRoom says how far the claimant comes with everything gone that may go.
func (d *decider) whyNoRoom(outcome gang.Outcome) string {
	if len(d.eligible) == 0 {
		return d.whyNothing()
	}
	fit, members := min(outcome.Total(), d.p.Gang.Need.Total), count(d.p.Gang.Need.Total, "member")
	if outcome.Result == gang.BudgetSpent {
		return fmt.Sprintf("whether all of %s fit when everything is evicted that may be (%s) was not found out", members, d.gangs(d.eligible))
	}
	return fmt.Sprintf("evicting everything that may be evicted (%s) would make room for %d of %s", d.gangs(d.eligible), fit, members)
}

// whyNothing says why no unit may be evicted.
func (d *decider) whyNothing() string {
	if len(d.p.Units) == 0 {
		return "nothing runs that may be evicted"
	}
	for u := range d.p.Units {
		unit := &d.p.Units[u]
		if unit.Preempt || d.p.Ledger.Entitled(d.p.Queue, unit.Queue, d.p.Asked) {
			continue
		}
		level := d.all.level[u]
		if level == 0 {
			continue
		}
		if why := d.whyNotEntitled(d.all.chain[level-1]); why != "" {
			return why
		}
	}
	return "no queue uses more than its guarantee of what is asked for, or lets go of it"
}

// whyNotEntitled says how the guarantee of a queue in the claimant's chain does not cover what is asked.
func (d *decider) whyNotEntitled(queue string) string {
	q, _ := d.p.Ledger.Queue(queue)
	usage := d.p.Ledger.Usage(queue)
	named := false
	for _, name := range sortedNames(d.p.Asked) {
		guarantee, ok := q.Guarantee[name]
		if asked := d.p.Asked[name]; ok && asked > 0 {
			named = true
			if resource.Sum(usage[name], asked) > guarantee {
				return fmt.Sprintf("queue %s would exceed its guarantee: %s of %s %s in use, %s more asked", queue,
					ledger.Format(name, usage[name]), ledger.Format(name, guarantee), name, ledger.Format(name, asked))
			}
		}
	}
	if !named {
		return fmt.Sprintf("queue %s has no guarantee of anything that is asked for", queue)
	}
	return ""
}

// whyVictims sums up a decision to evict.
func (d *decider) whyVictims(s *scene, decision Decision) string {
	if d.dominant == "" {
		return fmt.Sprintf("evicting from %s makes room", d.gangs(s.taken))
	}
	return fmt.Sprintf("evicting from %s makes room: %s %s for %s asked", d.gangs(s.taken),
		ledger.Format(d.dominant, decision.Evicted[d.dominant]), d.dominant, ledger.Format(d.dominant, d.p.Asked[d.dominant]))
}
