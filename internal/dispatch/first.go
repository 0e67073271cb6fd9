package dispatch

// Firsts is the gang that stands first in each queue, by the queue's name: among those in the line, those that are being
// tried, and those for which room is being made. Whether it can be tried plays no role.
func (d *Dispatcher) Firsts() map[string]Gang {
	firsts := map[string]*waiting{}
	for _, w := range d.waiting {
		if first := firsts[w.Queue]; first == nil || precedes(w, first) < 0 {
			firsts[w.Queue] = w
		}
	}
	gangs := make(map[string]Gang, len(firsts))
	for queue, w := range firsts {
		gangs[queue] = w.Gang
	}
	return gangs
}
