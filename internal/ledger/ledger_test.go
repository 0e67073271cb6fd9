package ledger

import (
	"maps"
	"slices"
	"testing"

	"github.com/muster-scheduling/muster/internal/resource"
)

func TestUsageBelongsToTheName(t *testing.T) {
	l := New()
	eight := resource.Amounts{"gpu": 8}
	l.Charge("team-a", eight, false)
	l.SetQueue(Queue{Name: "team-a", Parent: "research", Weight: 1})
	l.SetQueue(Queue{Name: "research", Weight: 1})
	if got := l.Usage("research"); !maps.Equal(got, eight) {
		t.Errorf("usage of the parent that came later is %v, want %v", got, eight)
	}
	l.DeleteQueue("team-a")
	if got := l.Usage("research"); len(got) != 0 {
		t.Errorf("usage of the parent is %v although it has no queues", got)
	}
	if got := l.Usage("team-a"); !maps.Equal(got, eight) {
		t.Errorf("usage of a deleted queue is %v, want %v", got, eight)
	}
	l.SetQueue(Queue{Name: "team-a", Weight: 1})
	l.Release("team-a", eight, false)
	if got := l.Usage("team-a"); len(got) != 0 {
		t.Errorf("usage after everything was released is %v", got)
	}
	if got := l.Queues(); !slices.Equal(got, []string{Default, "research", "team-a"}) {
		t.Errorf("queues are %q", got)
	}
}
