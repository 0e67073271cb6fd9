package reclaim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// whyVictims sums up a decision to evict.
func (d *decider) whyVictims(s *scene, decision Decision) string {
	where := ""
	if d.domains && d.answer.Where != "" {
		where = " in " + d.answer.Where
	}
	if d.dominant == "" {
		return fmt.Sprintf("evicting from %s makes room%s", d.gangs(s.taken), where)
	}
	return fmt.Sprintf("evicting from %s makes room%s: %s %s for %s asked", d.gangs(s.taken), where,
		d.format(decision.Evicted[d.dominant]), d.dominant, d.format(d.p.Asked[d.dominant]))
}

// whyTooMuch says how victims exceed MaxRatio.
func (d *decider) whyTooMuch(evicted int64) string {
	return fmt.Sprintf("would evict %s %s for %s asked: over the bound of %s", d.format(evicted), d.dominant,
		d.format(d.p.Asked[d.dominant]), strconv.FormatFloat(d.p.MaxRatio, 'g', 4, 64))
}

// whyRatio says that MaxRatio excludes all victims, where none are known.
func (d *decider) whyRatio() string {
	return fmt.Sprintf("would evict more than %s %s for %s asked: over the bound of %s", d.format(d.most()), d.dominant,
		d.format(d.p.Asked[d.dominant]), strconv.FormatFloat(d.p.MaxRatio, 'g', 4, 64))
}

// whyNoQuota says that the quota would not do with everything gone that may go.
func (d *decider) whyNoQuota(refusal ledger.Refusal) string {
	if len(d.eligible) == 0 {
		return refusal.String() + "; " + d.whyNothing()
	}
	return fmt.Sprintf("evicting everything that may be evicted (%s) would leave %s", d.gangs(d.eligible), refusal)
}

// whyNoRoom says how far the claimant comes with everything gone that may go.
func (d *decider) whyNoRoom(outcome gang.Outcome) string {
	switch {
	case len(d.eligible) == 0:
		return d.whyNothing()
	case outcome.Result == gang.BudgetSpent:
		return fmt.Sprintf("evicting everything that may be evicted (%s) may make room for %s, or not: the planner's budget was spent",
			d.gangs(d.eligible), d.members())
	}
	return fmt.Sprintf("evicting everything that may be evicted (%s) would make room for %d of %s%s", d.gangs(d.eligible), d.fit(outcome), d.members(), d.inDomains())
}

// inDomains continues a sentence with the domains that could take most, of those that the planner saw last.
func (d *decider) inDomains() string {
	words := make([]string, len(d.answer.Domains))
	for i, refusal := range d.answer.Domains {
		words[i] = refusal.String()
	}
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words, ", ")
}

// whyGuarantees says how far the claimant comes when queues are brought down to their guarantees.
func (d *decider) whyGuarantees() (string, error) {
	s := newScene(&d.p)
	d.choose(s, d.want)
	outcome, err := d.plan(s)
	what := "queues use above their guarantees"
	if len(d.p.Disruptions) > 0 {
		what += ", and PodDisruptionBudgets allow,"
	}
	return fmt.Sprintf("evicting no more than %s would make room for %d of %s", what, d.fit(outcome), d.members()), err
}

// whyVerify says that more than resources is missing.
func (d *decider) whyVerify() string {
	return fmt.Sprintf("evicting everything that may be evicted (%s) would free enough resources, but %s would not be allowed on these nodes together",
		d.gangs(d.eligible), d.members())
}

// whySearched says how the search ended.
func (d *decider) whySearched(result gang.Result) (string, error) {
	switch {
	case result != gang.Impossible && d.over != "":
		return d.over + "; whether fewer would do was not found out within the budget", nil
	case result != gang.Impossible:
		return fmt.Sprintf("no victims were found among %s within the budget of %d steps: there may be some", d.gangs(d.eligible), d.p.Budget), nil
	case d.over != "":
		return d.over, nil
	case d.p.Verify != nil:
		return "nothing that may be evicted together makes room where " + d.members() + " would be allowed", nil
	}
	return d.whyGuarantees()
}

// whyNothing says why no unit may be evicted.
func (d *decider) whyNothing() string {
	if len(d.p.Units) == 0 {
		return "nothing runs that may be evicted"
	}
	var holders []string // queues that keep what they have though the claimant is entitled
	barred := ""
	for u := range d.p.Units {
		unit := &d.p.Units[u]
		switch level := d.all.level[u]; {
		case !d.all.mayDisrupt(u) && d.all.letsGo(u):
			return "PodDisruptionBudgets protect what could be evicted"
		case unit.Preempt || level == 0:
		case d.p.Ledger.Entitled(d.p.Queue, unit.Queue, d.p.Asked):
			holders = append(holders, unit.Queue)
		case barred == "":
			barred = d.whyNotEntitled(d.all.chain[level-1])
		}
	}
	slices.Sort(holders)
	holders = slices.Compact(holders)
	held := ""
	switch len(holders) {
	case 0:
	case 1:
		held = d.whyHeld(holders[0])
	default:
		held = fmt.Sprintf("none of %d other queues lets go of anything: they are not reclaimable, or use no more than their guarantees", len(holders))
	}
	if barred != "" && held != "" {
		return barred + "; " + held
	}
	return cmp.Or(barred, held, "nothing that runs may be evicted for it")
}

// whyHeld says why a queue lets go of nothing.
func (d *decider) whyHeld(queue string) string {
	for _, name := range d.branch(queue) {
		q, exists := d.p.Ledger.Queue(name)
		if exists && !q.Reclaimable {
			return fmt.Sprintf("queue %s is not reclaimable", name)
		}
		usage := d.p.Ledger.Usage(name)
		for _, res := range sortedNames(q.Guarantee) {
			if d.p.Asked[res] > 0 && usage[res] > 0 && usage[res] <= q.Guarantee[res] {
				return fmt.Sprintf("queue %s uses no more than its guarantee: %s of %s %s", name,
					ledger.Format(res, usage[res]), ledger.Format(res, q.Guarantee[res]), res)
			}
		}
	}
	return fmt.Sprintf("queue %s uses nothing of what is asked for that it could let go of", queue)
}

// whyNotEntitled says how the guarantee of a queue in the claimant's chain does not cover what is asked.
func (d *decider) whyNotEntitled(queue string) string {
	q, _ := d.p.Ledger.Queue(queue)
	usage := d.p.Ledger.Usage(queue)
	for _, name := range sortedNames(q.Guarantee) {
		if asked := d.p.Asked[name]; asked > 0 && resource.Sum(usage[name], asked) > q.Guarantee[name] {
			return fmt.Sprintf("queue %s would exceed its guarantee: %s of %s %s in use, %s more asked", queue,
				ledger.Format(name, usage[name]), ledger.Format(name, q.Guarantee[name]), name, ledger.Format(name, asked))
		}
	}
	return fmt.Sprintf("queue %s has no guarantee of anything that is asked for", queue)
}

func (d *decider) format(amount int64) string { return ledger.Format(d.dominant, amount) }

func (d *decider) members() string { return count(d.p.Gang.Need.Total, "member") }

// fit is how many of the members that are needed an outcome has room for.
func (d *decider) fit(outcome gang.Outcome) int {
	return min(outcome.Total(), d.p.Gang.Need.Total)
}

// gangs counts the gangs that the units belong to.
func (d *decider) gangs(units []int) string {
	names := make(map[string]struct{}, len(units))
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
