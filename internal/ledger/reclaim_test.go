package ledger

import (
	"testing"

	"github.com/muster-scheduling/muster/internal/resource"
)

// departments is two departments with two teams each, on 24 GPUs.
func departments() *Ledger {
	l := ledgerOf(
		Queue{Name: "d1", Guarantee: gpus(12), Reclaimable: true},
		Queue{Name: "d2", Guarantee: gpus(12), Reclaimable: true},
		Queue{Name: "a1", Parent: "d1", Guarantee: gpus(8), Reclaimable: true},
		Queue{Name: "b1", Parent: "d1", Guarantee: gpus(4), Reclaimable: true},
		Queue{Name: "a2", Parent: "d2", Guarantee: gpus(8), Reclaimable: true},
		Queue{Name: "b2", Parent: "d2", Guarantee: gpus(4), Reclaimable: true},
	)
	l.SetCapacity(gpus(24))
	return l
}

func TestReclaim(t *testing.T) {
	type use struct {
		queue string
		gpus  int64
	}
	for _, test := range []struct {
		name             string
		uses             []use
		claimant, victim string
		asked, unit      int64
		entitled, takes  bool
	}{
		{"from another department above its guarantee", []use{{"a1", 16}, {"a2", 8}}, "b2", "a1", 4, 4, true, true},
		{"within the department, although it is at its guarantee", []use{{"a2", 12}, {"a1", 12}}, "b2", "a2", 4, 4, true, true},
		{"from a team above its own guarantee in a department that is not above", []use{{"a1", 12}, {"a2", 8}}, "b2", "a1", 4, 4, true, false},
		{"from a team within its guarantee in a department above", []use{{"a1", 8}, {"b1", 8}}, "a2", "a1", 4, 4, true, false},
		{"from the team that makes the department exceed", []use{{"a1", 8}, {"b1", 8}}, "a2", "b1", 4, 4, true, true},
		{"with more than the department's guarantee", []use{{"a1", 16}, {"a2", 8}}, "b2", "a1", 5, 5, false, true},
		{"with more than the team's guarantee within a department", []use{{"a2", 8}, {"b2", 4}}, "b2", "a2", 1, 1, false, false},
		{"a unit that straddles the guarantee", []use{{"a1", 13}}, "a2", "a1", 8, 8, true, true},
		{"from itself", []use{{"a1", 13}}, "a1", "a1", 1, 1, false, false},
		{"from a unit without what is asked", []use{{"a1", 13}}, "a2", "a1", 8, 0, true, false},
		{"by a queue that does not exist", []use{{"a1", 13}}, "nobody", "a1", 1, 1, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := departments()
			for _, u := range test.uses {
				l.Charge(u.queue, gpus(u.gpus), false)
			}
			if got := l.Entitled(test.claimant, test.victim, gpus(test.asked)); got != test.entitled {
				t.Errorf("entitled: %v, want %v", got, test.entitled)
			}
			if test.claimant == "nobody" {
				return
			}
			if got := l.Takeable(test.claimant, test.victim, gpus(test.asked), gpus(test.unit)); got != test.takes {
				t.Errorf("takeable: %v, want %v", got, test.takes)
			}
		})
	}
}

func TestReclaimNeedsReclaimableQueues(t *testing.T) {
	for _, closed := range []string{"a1", "d1"} {
		l := departments()
		l.Charge("a1", gpus(16), false)
		q, _ := l.Queue(closed)
		q.Reclaimable = false
		l.SetQueue(q)
		if l.Takeable("a2", "a1", gpus(8), gpus(8)) {
			t.Errorf("%s is not reclaimable, but a2 may take from a1", closed)
		}
		if closed == "d1" && !l.Takeable("b1", "a1", gpus(4), gpus(8)) {
			t.Error("within d1 it does not matter that d1 is not reclaimable")
		}
	}
}

func TestReclaimStopsAtTheGuarantee(t *testing.T) {
	l := departments()
	l.Charge("a1", gpus(16), false)
	for taken := int64(0); ; taken += 3 {
		if !l.Takeable("a2", "a1", gpus(8), gpus(3)) {
			if used := l.Usage("a1")["nvidia.com/gpu"]; taken != 6 || used != 10 {
				t.Errorf("taken %d, left %d: want the unit that goes from 13 to 10 to be the last", taken, used)
			}
			return
		}
		l.Release("a1", gpus(3), false)
	}
}

// TestOtherResourcesDoNotUndermineAGuarantee: everything uses CPU, which no queue here guarantees.
func TestOtherResourcesDoNotUndermineAGuarantee(t *testing.T) {
	l := departments()
	unit := resource.Amounts{"nvidia.com/gpu": 8, "cpu": 64000}
	l.Charge("a1", unit, false)
	if l.Takeable("a2", "a1", unit, unit) {
		t.Error("a1 is within its guarantee of GPUs, but is taken from for its CPUs")
	}
	l.Charge("a1", resource.Amounts{"cpu": 1000}, false)
	if !l.Takeable("a2", "a1", unit, resource.Amounts{"cpu": 1000}) {
		t.Error("the guarantee says nothing about CPU, but protects a gang that uses nothing else")
	}
}

// TestVictimAboveTheClaimant: a queue got queues of its own while gangs ran in it.
func TestVictimAboveTheClaimant(t *testing.T) {
	l := departments()
	l.Charge("d2", gpus(20), false)
	if l.Entitled("a2", "d2", gpus(4)) != l.Covered("a2", gpus(4)) {
		t.Error("the claimant's branch is the claimant")
	}
	if !l.Takeable("a2", "d2", gpus(4), gpus(4)) {
		t.Error("gangs that the tree has no place for hold back those that it has")
	}
	if l.Entitled("d2", "a2", gpus(4)) {
		t.Error("a queue with queues of its own takes from them")
	}
}
