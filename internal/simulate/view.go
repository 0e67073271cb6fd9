package simulate

import "time"

// Reservations tells for which gangs room is kept and from when on; zero where that is unknown. Room that is being freed
// for a gang is none.
func (s *Simulation) Reservations() map[string]time.Time {
	starts := map[string]time.Time{}
	for _, hold := range s.dispatcher.HoldsAgainst("") {
		if c, ok := s.claims[hold.Gang]; ok && !s.dispatcher.MakingRoom(hold.Gang) {
			starts[c.job.Name] = hold.Start
		}
	}
	return starts
}

// Placement is how many pods of a gang are bound to each node and stay there.
func (s *Simulation) Placement(gang string) map[string]int {
	nodes := map[string]int{}
	for _, m := range s.jobs[s.byName[gang]].members {
		if m.node >= 0 && !m.leaving {
			nodes[s.cluster.nodes[m.node].name]++
		}
	}
	return nodes
}
