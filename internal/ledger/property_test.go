package ledger

import (
	"fmt"
	"maps"
	"math"
	"math/rand"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

var (
	queueNames    = []string{"a", "b", "c", "d", "e", Default, "gone"}
	resourceNames = []string{"cpu", "gpu", "pods"}
)

// amountsOf draws amounts of some resources, absurd ones among them.
func amountsOf(label string, values ...int64) *rapid.Generator[resource.Amounts] {
	return rapid.Custom(func(t *rapid.T) resource.Amounts {
		amounts := resource.Amounts{}
		for _, name := range resourceNames {
			if rapid.Bool().Draw(t, "has "+name) {
				amounts[name] = rapid.SampledFrom(values).Draw(t, label+" "+name)
			}
		}
		return amounts
	})
}

var (
	asks   = amountsOf("ask", 0, 1, 2, 3, 8, -1, math.MaxInt64, math.MaxInt64-1, math.MinInt64)
	bounds = amountsOf("bound", 0, 1, 4, 8, 20, -1, math.MaxInt64, math.MaxInt64/2)
)

func queueOf(t *rapid.T) Queue {
	return Queue{
		Name:        rapid.SampledFrom(queueNames[:6]).Draw(t, "name"),
		Parent:      rapid.SampledFrom(append(queueNames, "", "", "")).Draw(t, "parent"),
		Weight:      rapid.SampledFrom([]int64{-1, 0, 1, 1, 2, 3, math.MaxInt64}).Draw(t, "weight"),
		Guarantee:   bounds.Draw(t, "guarantee"),
		Limit:       bounds.Draw(t, "limit"),
		Reclaimable: rapid.Bool().Draw(t, "reclaimable"),
	}
}

func headsOf(t *rapid.T) []Head {
	var heads []Head
	for _, name := range queueNames {
		if rapid.Bool().Draw(t, "waits in "+name) {
			heads = append(heads, Head{
				Queue: name, Amount: asks.Draw(t, "asked"), ID: "gang of " + name,
				Priority: rapid.SampledFrom([]int32{0, 0, 5}).Draw(t, "priority"),
				Born:     time.Unix(rapid.Int64Range(0, 1).Draw(t, "born"), 0),
			})
		}
	}
	return heads
}

// TestLedgerAgreesWithOracle changes queues in every way, with cycles, missing parents and absurd amounts, while gangs come
// and go, and asks everything after each step.
func TestLedgerAgreesWithOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, o := New(), newOracle()
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				q := queueOf(t)
				l.SetQueue(q)
				o.queues[q.Name] = q
				if q.Name == o.implicit {
					o.implicit = ""
				}
			},
			"delete": func(t *rapid.T) {
				name := rapid.SampledFrom(queueNames).Draw(t, "name")
				l.DeleteQueue(name)
				o.remove(name)
			},
			"capacity": func(t *rapid.T) {
				o.capacity = bounds.Draw(t, "capacity")
				l.SetCapacity(o.capacity)
			},
			"charge": func(t *rapid.T) {
				c := charge{rapid.SampledFrom(queueNames).Draw(t, "queue"), asks.Draw(t, "amount"), rapid.Bool().Draw(t, "firm")}
				l.Charge(c.queue, c.amount, c.firm)
				o.charges = append(o.charges, c)
			},
			"release": func(t *rapid.T) {
				if len(o.charges) == 0 {
					return
				}
				i := rapid.IntRange(0, len(o.charges)-1).Draw(t, "charge")
				c := o.charges[i]
				l.Release(c.queue, c.amount, c.firm)
				o.charges = slices.Delete(o.charges, i, i+1)
			},
			"clone": func(t *rapid.T) {
				before := l
				l = l.Clone()
				before.Charge("a", resource.Amounts{"gpu": 1}, true) // must not show
				before.SetQueue(Queue{Name: "b", Parent: "a"})
			},
			"": func(t *rapid.T) {
				agree(t, l, o)
				agreeOnFirst(t, l, o)
			},
		})
		for _, c := range o.charges {
			l.Release(c.queue, c.amount, c.firm)
		}
		for _, name := range queueNames {
			if got := l.Usage(name); len(got) != 0 {
				t.Errorf("usage of %s after everything was released is %v", name, got)
			}
		}
	})
}

func agree(t *rapid.T, l *Ledger, o *oracle) {
	if got, want := l.Queues(), slices.Sorted(maps.Keys(o.queues)); !slices.Equal(got, want) {
		t.Fatalf("queues are %q, want %q", got, want)
	}
	amount, firm := asks.Draw(t, "asked"), rapid.Bool().Draw(t, "firm")
	for _, name := range queueNames {
		if _, ok := o.queues[name]; ok {
			if got, want := l.Chain(name), o.chain(name); !slices.Equal(got, want) {
				t.Fatalf("chain is %q, want %q", got, want)
			}
		}
		if got, want := l.Usage(name), o.usage(name); !maps.Equal(got, want) {
			t.Fatalf("usage of %s is %v, want %v", name, got, want)
		}
		if got, want := l.Covered(name, amount), o.covered(name, amount); got != want {
			t.Fatalf("%s covers %v: %v, want %v", name, amount, got, want)
		}
		if _, ok := o.queues[name]; ok {
			if got, want := l.Check(name, amount, firm), o.admits(name, amount, firm); (got == nil) != want {
				t.Fatalf("check of %v (firm: %v) in %s says %v, want it to pass: %v", amount, firm, name, got, want)
			}
		}
		_, _ = l.Fault(name), l.Shortfall(name)
	}
}

func agreeOnFirst(t *rapid.T, l *Ledger, o *oracle) {
	heads := headsOf(t)
	got := l.First(heads)
	if want := o.first(heads, ""); got != want {
		t.Fatalf("the first of %v is %d, want %d", heads, got, want)
	}
	if got < 0 {
		return
	}
	shuffled := slices.Clone(heads)
	rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(shuffled), func(i, j int) {
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	})
	if again := l.First(shuffled); shuffled[again].ID != heads[got].ID {
		t.Fatalf("in another order the first of %v is %s, and not %s", heads, shuffled[again].ID, heads[got].ID)
	}
}

// TestNoQueueExceedsItsLimit admits and ends gangs at random in a random tree.
func TestNoQueueExceedsItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := New()
		small := amountsOf("limit", 0, 3, 10, 30)
		names := []string{Default}
		for i := range rapid.IntRange(1, 8).Draw(t, "queues") {
			name := fmt.Sprintf("q%d", i)
			l.SetQueue(Queue{Name: name, Parent: rapid.SampledFrom(names).Draw(t, "parent"), Limit: small.Draw(t, "limit"), Guarantee: small.Draw(t, "guarantee")})
			names = append(names, name)
		}
		var running []charge
		for range 60 {
			if len(running) > 0 && rapid.IntRange(0, 3).Draw(t, "end one") == 0 {
				l.Release(running[0].queue, running[0].amount, running[0].firm)
				running = running[1:]
			}
			gang := charge{rapid.SampledFrom(names).Draw(t, "queue"), amountsOf("ask", 0, 1, 5).Draw(t, "ask"), rapid.Bool().Draw(t, "firm")}
			if l.Check(gang.queue, gang.amount, gang.firm) != nil {
				continue
			}
			l.Charge(gang.queue, gang.amount, gang.firm)
			running = append(running, gang)
			for _, name := range names {
				q, _ := l.Queue(name)
				for r, limit := range q.Limit {
					if used := l.Usage(name)[r]; used > limit {
						t.Fatalf("queue %s uses %d of %s, its limit is %d", name, used, r, limit)
					}
				}
			}
		}
	})
}
