package simulate

import (
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/ledger"
)

// step does what one Step says.
func (s *Simulation) step(step Step) error {
	s.moved, s.disturbed = true, true
	for _, queue := range step.SetQueues {
		s.dispatcher.Ledger.SetQueue(queue)
	}
	for _, name := range step.DeleteQueues {
		s.dispatcher.Ledger.DeleteQueue(name)
	}
	for _, j := range s.jobs {
		if youth := s.dispatcher.Ledger.MinRuntime(j.Queue); youth > 0 && j.victim {
			s.at(j.outcome.Start.Add(youth), event{kind: looks, eligible: true})
		}
	}
	s.drain()
	for _, node := range step.AddNodes {
		if err := s.addNode(node); err != nil {
			return err
		}
	}
	for _, name := range step.LoseNodes {
		if err := s.loseNode(name); err != nil {
			return err
		}
	}
	for _, name := range step.Withdraw {
		i, ok := s.byName[name]
		if !ok {
			return fmt.Errorf("gang %q, which is withdrawn, does not exist", name)
		}
		if !s.jobs[i].done {
			s.finish(s.jobs[i])
		}
	}
	s.record.shares(s)
	return nil
}

// drain evicts the gangs of queues that are drained.
func (s *Simulation) drain() {
	for _, j := range s.jobs {
		if _, how := s.dispatcher.Ledger.Stopped(j.Queue); how != ledger.Drain {
			continue
		}
		if members := s.members(j); len(members) > 0 {
			s.decisions++
			s.evict(j, members, "", nil)
		}
	}
}

func (s *Simulation) addNode(n Node) error {
	if err := s.cluster.add(n); err != nil {
		return err
	}
	s.layout = nil
	s.dispatcher.SetNode(n.Name, n.Allocatable, "")
	return nil
}

// loseNode takes away a node and its pods. Gangs that fall below their minimum by it have to mend.
func (s *Simulation) loseNode(name string) error {
	at, ok := s.cluster.index[name]
	if !ok {
		return fmt.Errorf("node %q, which is lost, does not exist", name)
	}
	hit := map[int32]bool{}
	for _, pod := range slices.Clone(s.cluster.nodes[at].pods) {
		s.release(s.jobs[pod.job], pod.member)
		hit[pod.job] = true
	}
	s.cluster.lose(at)
	s.layout = nil
	s.dispatcher.DeleteNode(name)
	for _, j := range s.jobs {
		if hit[j.index] {
			s.mend(j)
		}
	}
	return nil
}

// mend puts the members that a job has lost back into the line.
func (s *Simulation) mend(j *job) {
	running := j.running()
	if running < j.Min {
		s.incomplete(j)
		j.mending = running > 0
	}
	if running == 0 {
		s.noVictim(j)
	}
	s.claim(j)
}
