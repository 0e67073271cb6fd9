package simulate

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// audit checks after every moment what must always hold. It counts pods itself instead of believing the books.
func (s *Simulation) audit() error {
	var errs []error
	used := make([]resource.Vector, len(s.cluster.nodes))
	for at := range used {
		used[at] = make(resource.Vector, s.table.Len())
	}
	for _, j := range s.jobs {
		running, leaving := 0, 0
		for m := range j.members {
			switch x := &j.members[m]; {
			case x.node < 0:
				continue
			case x.leaving:
				leaving++
			default:
				running++
			}
			used[j.members[m].node].Add(j.request)
		}
		if running > 0 && running < j.Min && leaving == 0 && !j.mending {
			errs = append(errs, fmt.Errorf("gang %q runs %d of at least %d members", j.Name, running, j.Min))
		}
		errs = append(errs, s.auditVerdict(j))
	}
	for at, n := range s.cluster.nodes {
		if !used[at].Fits(n.allocatable) {
			errs = append(errs, fmt.Errorf("node %s has %v and %v are used", n.name, n.allocatable, used[at]))
		}
	}
	errs = append(errs, s.auditZones())
	for _, e := range s.record.evictions {
		if e.For >= 0 && e.Served.IsZero() && s.making[e.claim] == 0 && !s.jobs[e.For].done && !s.disturbed && !s.overQuota(e.claim) {
			errs = append(errs, fmt.Errorf("gang %q had to leave for gang %q, which did not start then", s.jobs[e.Gang].Name, s.jobs[e.For].Name))
		}
	}
	return errors.Join(errs...)
}

// overQuota reports whether a limit keeps a claim waiting though its victims have left: those of another gang, which was
// admitted later, still count.
func (s *Simulation) overQuota(id string) bool {
	return s.dispatcher.Why(id, s.now).Reason == gang.QuotaExceeded
}

// auditVerdict checks that what waits has one reason out of the known ones.
func (s *Simulation) auditVerdict(j *job) error {
	if !j.claimed {
		return nil
	}
	if v := s.dispatcher.Why(j.Name, s.now); !slices.Contains(gang.Reasons(), v.Reason) || v.Message == "" {
		return fmt.Errorf("gang %q waits for the reason %q with the words %q", j.Name, v.Reason, v.Message)
	}
	return nil
}

// usage counts what the pods of a queue and of all below it use, those that are leaving too.
func (s *Simulation) usage(queue string) resource.Amounts {
	total := resource.Amounts{}
	for _, j := range s.jobs {
		if !slices.Contains(s.dispatcher.Ledger.Chain(j.Queue), queue) {
			continue
		}
		for m := range j.members {
			if j.members[m].node >= 0 {
				total.Add(j.Request)
			}
		}
	}
	return total
}

// auditLimits checks, after members of a job were bound, that no queue has more than its limit.
func (s *Simulation) auditLimits(j *job) error {
	for _, name := range s.dispatcher.Ledger.Chain(j.Queue) {
		queue, _ := s.dispatcher.Ledger.Queue(name)
		used := s.usage(name)
		for r, limit := range queue.Limit {
			if j.Request[r] > 0 && used[r] > limit {
				return fmt.Errorf("queue %s uses %d of %s with gang %q, its limit is %d", name, used[r], r, j.Name, limit)
			}
		}
	}
	return nil
}

// auditVictims checks, before the victims of a claim leave, that each may be taken once the ones before it are gone.
func (s *Simulation) auditVictims(claimant *job, asked resource.Amounts, victims []offer) error {
	var errs []error
	freed := map[string]resource.Amounts{}
	evicted := resource.Amounts{}
	for _, o := range victims {
		j := o.job
		switch {
		case j.Firm:
			errs = append(errs, fmt.Errorf("gang %q is firm and had to leave for %q", j.Name, claimant.Name))
		case s.age(j) < s.dispatcher.Ledger.MinRuntime(j.Queue):
			errs = append(errs, fmt.Errorf("gang %q had to leave for %q before its minRuntime", j.Name, claimant.Name))
		case j.Queue == claimant.Queue && j.Priority >= claimant.Priority:
			errs = append(errs, fmt.Errorf("gang %q of priority %d had to leave for %q of priority %d", j.Name, j.Priority, claimant.Name, claimant.Priority))
		case j.Queue != claimant.Queue:
			errs = append(errs, s.auditReclaim(claimant, asked, o, freed))
		}
		for _, queue := range s.dispatcher.Ledger.Chain(j.Queue) {
			if freed[queue] == nil {
				freed[queue] = resource.Amounts{}
			}
			freed[queue].Add(o.unit.Usage)
		}
		evicted.Add(o.unit.Usage)
	}
	return errors.Join(append(errs, s.auditRatio(claimant, asked, evicted))...)
}

// auditReclaim checks that every queue between a victim and what it has in common with the claimant uses more than it is
// guaranteed, and that the claimant's side stays within its guarantee.
func (s *Simulation) auditReclaim(claimant *job, asked resource.Amounts, o offer, freed map[string]resource.Amounts) error {
	ours, theirs := s.dispatcher.Ledger.Chain(claimant.Queue), s.dispatcher.Ledger.Chain(o.job.Queue)
	common := func(queue string) bool { return slices.Contains(ours, queue) && slices.Contains(theirs, queue) }
	for _, name := range theirs {
		if common(name) {
			break
		}
		queue, exists := s.dispatcher.Ledger.Queue(name)
		over := false
		used := s.usage(name)
		for r, amount := range o.unit.Usage {
			over = over || amount > 0 && asked[r] > 0 && used[r]-freed[name][r] > queue.Guarantee[r]
		}
		if !over || exists && !queue.Reclaimable {
			return fmt.Errorf("gang %q had to leave for %q though queue %s is within its guarantee, or not reclaimable", o.job.Name, claimant.Name, name)
		}
	}
	branch := ours[0]
	for _, name := range ours {
		if common(name) {
			break
		}
		branch = name
	}
	queue, _ := s.dispatcher.Ledger.Queue(branch)
	used := s.usage(branch)
	for r, guarantee := range queue.Guarantee {
		if asked[r] > 0 && resource.Sum(used[r], asked[r]) > guarantee {
			return fmt.Errorf("gang %q took back %s though queue %s is guaranteed %d and uses %d", claimant.Name, r, branch, guarantee, used[r])
		}
	}
	return nil
}

func (s *Simulation) auditRatio(claimant *job, asked, evicted resource.Amounts) error {
	if s.options.MaxRatio == 0 {
		return nil
	}
	by, capacity := GPU, s.capacity()
	if asked[by] == 0 {
		share := 0.0
		for _, r := range slices.Sorted(maps.Keys(asked)) {
			if x := float64(asked[r]) / float64(capacity[r]); x > share {
				by, share = r, x
			}
		}
	}
	if float64(evicted[by]) > s.options.MaxRatio*float64(asked[by]) {
		return fmt.Errorf("%d of %s had to leave for %d that gang %q asks for", evicted[by], by, asked[by], claimant.Name)
	}
	return nil
}
