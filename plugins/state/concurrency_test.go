package state

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// The informers' handlers, the scheduling cycle, the binding cycles and the reports run at the same time. The race detector
// looks on; afterwards nothing is left.
func TestConcurrentUse(t *testing.T) {
	r, _ := newTestRegistry()
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			name := fmt.Sprint("g", worker)
			for round := range 50 {
				r.SetPodGroup(podGroup(name, 2, ""))
				a, b := pod(name, name+"a"), pod(name, name+"b")
				r.SetPod(a)
				r.SetPod(b)
				r.Admit(a)
				if standing, _, request := r.Standing(a); standing == Leading {
					r.Spare(request, cpuTable)
					if round%2 == 0 {
						r.Conclude(request, noRoom(0))
					}
					r.Ended(a.UID, "no room")
				}
				r.Less(a, b)
				set(r, on(a, "n"))
				set(r, on(b, "n"))
				drop(r, on(a, "n"))
				drop(r, on(b, "n"))
				r.DeletePodGroup(gangKey(name))
			}
		})
	}
	group.Go(func() {
		for range 50 {
			r.Tick()
			for _, key := range r.Changed() {
				r.View(key)
			}
			r.Queues()
			r.SetNode(node("n", "100"))
			r.Sweep(epoch.Add(time.Hour))
		}
	})
	group.Wait()
	if left := len(r.gangs) + len(r.members) + len(r.claims) + len(r.placed) + r.line.Waiting(); left > 0 {
		t.Errorf("%d things are left of gangs that are gone", left)
	}
}
