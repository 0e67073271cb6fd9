package reclaim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muster-scheduling/muster/internal/gang"
)

// wish is a gang of equal members that waits.
type wish struct {
	queue    string
	priority int32
	members  int
	gpus     int64
}

type scenario struct {
	name  string
	world *world
	wish  wish
	ratio float64
	want  []string // victims; nil: there are none
	why   string   // part of the words
}

func TestPreemptionInsideAQueue(t *testing.T) {
	one := func() *world { return cluster(4, 1).queue("q", "", 0).queue("other", "", 0) }
	runScenarios(t, []scenario{
		{
			name:  "members beyond the minimum go first, and the minimum stays",
			world: one().run(job{name: "low", queue: "q", minimum: 2, gpus: 1, at: []int32{0, 1, 2, 3}}),
			wish:  wish{"q", 9, 2, 1}, want: []string{"low+", "low+"},
		}, {
			name: "one of two gangs without members to spare goes as a whole, the other stays",
			world: one().run(job{name: "a", queue: "q", minimum: 2, gpus: 1, at: []int32{0, 2}, lost: 5}).
				run(job{name: "b", queue: "q", minimum: 2, gpus: 1, at: []int32{1, 3}, lost: 4}),
			wish: wish{"q", 9, 2, 1}, want: []string{"b"},
		}, {
			name:  "no preemption across queues",
			world: one().run(job{name: "low", queue: "other", minimum: 4, gpus: 1, at: []int32{0, 1, 2, 3}}),
			wish:  wish{"q", 9, 2, 1}, why: "queue q has no guarantee of anything that is asked for",
		}, {
			name:  "no preemption of equal priority",
			world: one().run(job{name: "equal", queue: "q", priority: 9, minimum: 4, gpus: 1, at: []int32{0, 1, 2, 3}}),
			wish:  wish{"q", 9, 2, 1}, why: "nothing that runs may be evicted",
		}, {
			name: "nobody goes where that is not enough",
			world: one().run(job{name: "high", queue: "q", priority: 99, minimum: 2, gpus: 1, at: []int32{0, 1}}).
				run(job{name: "low", queue: "q", minimum: 2, gpus: 1, at: []int32{2, 3}}),
			wish: wish{"q", 9, 4, 1}, why: "evicting everything that may be evicted (1 gang) would make room for 2 of 4 members",
		}, {
			name: "too young for a victim: 20 s of 30 s, its members beyond the minimum too",
			world: one().run(job{name: "young", queue: "q", minimum: 2, gpus: 1, at: []int32{0, 1, 2}, fixed: true}).
				run(job{name: "single", queue: "q", minimum: 1, gpus: 1, at: []int32{3}, fixed: true}),
			wish: wish{"q", 9, 2, 1}, why: "nothing runs that may be evicted",
		}, {
			name:  "old enough for a victim: 31 s of 30 s",
			world: one().run(job{name: "old", queue: "q", minimum: 2, gpus: 1, at: []int32{0, 1, 2, 3}, lost: 31}),
			wish:  wish{"q", 9, 2, 1}, want: []string{"old+", "old+"},
		}, {
			name: "the lower priority goes, whatever it loses",
			world: one().run(job{name: "lower", queue: "q", priority: 1, minimum: 2, gpus: 1, at: []int32{0, 2}, lost: 1000}).
				run(job{name: "low", queue: "q", priority: 2, minimum: 2, gpus: 1, at: []int32{1, 3}, lost: 1}),
			wish: wish{"q", 9, 2, 1}, want: []string{"lower"},
		}, {
			name: "a member beyond the minimum goes before a whole gang, whatever it loses",
			world: one().run(job{name: "wide", queue: "q", minimum: 1, gpus: 1, at: []int32{0, 1, 2}, lost: 1000}).
				run(job{name: "single", queue: "q", minimum: 1, gpus: 1, at: []int32{3}, lost: 1}),
			wish: wish{"q", 9, 1, 1}, want: []string{"wide+"},
		}, {
			name: "what a PodDisruptionBudget protects stays, where there is something else",
			world: one().protect(1, job{name: "a", queue: "q", minimum: 1, gpus: 1, at: []int32{0}}).
				protect(1, job{name: "b", queue: "q", minimum: 1, gpus: 1, at: []int32{1}}).
				run(job{name: "c", queue: "q", minimum: 2, gpus: 1, at: []int32{2, 3}, lost: 1000}),
			wish: wish{"q", 9, 2, 1}, want: []string{"c"},
		}, {
			name:  "one PodDisruptionBudget for several gangs",
			world: one().protect(1, job{name: "wide", queue: "q", minimum: 1, gpus: 1, at: []int32{0, 1, 2, 3}}),
			wish:  wish{"q", 9, 2, 1}, why: "evicting no more than queues use above their guarantees, and PodDisruptionBudgets allow, would make room for 1 of 2 members",
		}, {
			name:  "a PodDisruptionBudget that allows nothing",
			world: one().protect(0, job{name: "wide", queue: "q", minimum: 1, gpus: 1, at: []int32{0, 1, 2, 3}}),
			wish:  wish{"q", 9, 2, 1}, why: "PodDisruptionBudgets protect what could be evicted",
		}, {
			name: "under a full limit only what is in the queue helps",
			world: one().limit("q", 2).run(job{name: "low", queue: "q", minimum: 1, gpus: 1, at: []int32{0}, lost: 9}).
				run(job{name: "lower", queue: "q", minimum: 1, gpus: 1, at: []int32{1}}),
			wish: wish{"q", 9, 1, 1}, want: []string{"lower"},
		}, {
			name: "a full limit that no victim opens",
			world: one().limit("q", 2).run(job{name: "low", queue: "q", minimum: 1, gpus: 1, at: []int32{0}}).
				run(job{name: "equal", queue: "q", priority: 9, minimum: 1, gpus: 1, at: []int32{1}}),
			wish: wish{"q", 9, 2, 1}, why: "evicting everything that may be evicted (1 gang) would leave queue q: 1 of 2 " + gpu + " in use, 2 more asked",
		},
		{
			name:  "more than the limit",
			world: one().limit("q", 2), wish: wish{"q", 9, 3, 1}, why: "queue q: 3 " + gpu + " asked, the limit is 2",
		}, {
			name: "free room on many nodes is not room for a pod",
			world: eachNode(cluster(4, 8).queue("q", "", 0), func(w *world, node int32) {
				w.run(job{name: "high", queue: "q", priority: 99, minimum: 1, gpus: 6, at: []int32{node}})
				w.run(job{name: fmt.Sprint("low", node), queue: "q", minimum: 2, gpus: 1, at: []int32{node, node}})
			}),
			wish: wish{"q", 9, 1, 8}, why: "evicting everything that may be evicted (4 gangs) would make room for 0 of 1 member",
		}, {
			name: "a gang that spans nodes makes room on all of them",
			world: cluster(4, 8).queue("q", "", 0).
				run(job{name: "a", queue: "q", minimum: 1, gpus: 8, at: []int32{0}, lost: 60}).
				run(job{name: "b", queue: "q", minimum: 1, gpus: 8, at: []int32{1}, lost: 60}).
				run(job{name: "wide", queue: "q", minimum: 2, gpus: 8, at: []int32{2, 3}, lost: 100}),
			wish: wish{"q", 9, 2, 8}, want: []string{"wide"},
		},
	})
}

func TestReclaimBetweenQueues(t *testing.T) {
	four := func(a, b int64) *world { return cluster(4, 1).queue("a", "", a).queue("b", "", b) }
	overused := func() *world {
		return four(2, 2).run(job{name: "one", queue: "b", minimum: 2, gpus: 1, at: []int32{0, 2}, lost: 7}).
			run(job{name: "two", queue: "b", minimum: 2, gpus: 1, at: []int32{1, 3}, lost: 6})
	}
	runScenarios(t, []scenario{
		{
			name:  "a gang that straddles the guarantee",
			world: cluster(1, 2).queue("a", "", 1).queue("b", "", 1).run(job{name: "job", queue: "b", minimum: 1, gpus: 2, at: []int32{0}}),
			wish:  wish{"a", 0, 1, 1}, want: []string{"job"},
		}, {
			name:  "members beyond the minimum",
			world: four(2, 2).run(job{name: "wide", queue: "b", minimum: 2, gpus: 1, at: []int32{0, 1, 2, 3}}),
			wish:  wish{"a", 0, 2, 1}, want: []string{"wide+", "wide+"},
		},
		{name: "exactly one gang", world: overused(), wish: wish{"a", 0, 2, 1}, want: []string{"two"}},
		{
			name: "everybody within the guarantee",
			world: four(2, 2).run(job{name: "b", queue: "b", minimum: 2, gpus: 1, at: []int32{0, 1}}).
				run(job{name: "c", queue: "a", priority: 9, minimum: 2, gpus: 1, at: []int32{2, 3}}),
			wish: wish{"a", 0, 1, 1}, why: "queue a would exceed its guarantee: 2 of 2 " + gpu + " in use, 1 more asked",
		}, {
			name:  "the others within theirs",
			world: four(2, 4).run(job{name: "b", queue: "b", minimum: 1, gpus: 1, at: []int32{0, 1, 2, 3}}),
			wish:  wish{"a", 0, 1, 1}, why: "queue b uses no more than its guarantee: 4 of 4 " + gpu,
		},
		{name: "a queue that lets go of nothing", world: overused().keep("b"), wish: wish{"a", 0, 2, 1}, why: "queue b is not reclaimable"},
		{
			name:  "more than is above the guarantee",
			world: four(4, 2).run(job{name: "wide", queue: "b", minimum: 1, gpus: 1, at: []int32{0, 1, 2, 3}}),
			wish:  wish{"a", 0, 4, 1}, why: "evicting no more than queues use above their guarantees would make room for 2 of 4 members",
		},
		{name: "the same with whole gangs", world: overused().queue("a", "", 4), wish: wish{"a", 0, 4, 1}, why: "would make room for 2 of 4 members"},
		{
			name: "a queue above its guarantee takes nothing back",
			world: four(1, 1).run(job{name: "own", queue: "a", minimum: 2, gpus: 1, at: []int32{0, 1}}).
				run(job{name: "theirs", queue: "b", minimum: 1, gpus: 1, at: []int32{2, 3}}),
			wish: wish{"a", 0, 1, 1}, why: "queue a would exceed its guarantee: 2 of 1 " + gpu + " in use, 1 more asked",
		}, {
			name: "within a department first, and what is above the guarantee before what straddles it",
			world: departments().run(job{name: "d1-large", queue: "q0", minimum: 1, gpus: 2, at: []int32{0}}).
				run(job{name: "d1-small", queue: "q0", minimum: 1, gpus: 1, at: []int32{0}}).
				run(job{name: "large", queue: "q1", minimum: 1, gpus: 2, at: []int32{1}}).
				run(job{name: "small", queue: "q1", minimum: 1, gpus: 1, at: []int32{1}, lost: 1000}),
			wish: wish{"q2", 0, 1, 1}, want: []string{"small"},
		}, {
			name: "nothing from outside for a department that has its guarantee",
			world: departments().queue("d1", "", 1).run(job{name: "outside", queue: "q0", minimum: 1, gpus: 3, at: []int32{0}}).
				run(job{name: "large", queue: "q1", minimum: 1, gpus: 2, at: []int32{1}}).
				run(job{name: "kept", queue: "d2-other", minimum: 1, gpus: 1, at: []int32{1}}).keep("d2-other"),
			wish: wish{"q2", 0, 1, 1}, why: "queue d2 would exceed its guarantee: 3 of 3 " + gpu + " in use, 1 more asked",
		}, {
			name:  "one elastic pod for one pod",
			world: cluster(1, 2).queue("a", "", 1).queue("b", "", 1).run(job{name: "elastic", queue: "b", minimum: 1, gpus: 1, at: []int32{0, 0}}),
			wish:  wish{"a", 0, 1, 1}, want: []string{"elastic+"},
		}, {
			name:  "more than MaxRatio allows",
			world: cluster(8, 8).queue("a", "", 8).queue("b", "", 0).run(job{name: "huge", queue: "b", minimum: 8, gpus: 8, at: []int32{0, 1, 2, 3, 4, 5, 6, 7}}),
			wish:  wish{"a", 0, 1, 8}, ratio: 4, why: "would evict 64 " + gpu + " for 8 asked: over the bound of 4",
		}, {
			name: "within MaxRatio, though that loses more work",
			world: cluster(3, 8).queue("a", "", 8).queue("b", "", 0).run(job{name: "huge", queue: "b", minimum: 2, gpus: 8, at: []int32{0, 1}}).
				run(job{name: "small", queue: "b", minimum: 1, gpus: 8, at: []int32{2}, lost: 1000}),
			wish: wish{"a", 0, 1, 8}, ratio: 1.5, want: []string{"small"},
		}, {
			name: "preemption gives the right to reclaim",
			world: cluster(2, 4).queue("a", "", 4).queue("b", "", 0).run(job{name: "own", queue: "a", minimum: 1, gpus: 1, at: []int32{0}}).
				run(job{name: "mine", queue: "a", priority: 99, minimum: 1, gpus: 3, at: []int32{0}}).
				run(job{name: "theirs", queue: "b", minimum: 4, gpus: 1, at: []int32{1, 1, 1, 1}}),
			wish: wish{"a", 9, 1, 1}, want: []string{"own"},
		},
	})
}

func runScenarios(t *testing.T, scenarios []scenario) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			p := s.world.asks(s.wish.queue, s.wish.priority, s.wish.members, s.wish.gpus)
			p.MaxRatio = s.ratio
			d, err := Decide(p)
			if err != nil {
				t.Fatal(err)
			}
			if got := victims(p, d); !slices.Equal(got, s.want) || !strings.Contains(d.Why, s.why) {
				t.Fatalf("%v, victims %q: %s\nwant %q: %s", d.Result, got, d.Why, s.want, s.why)
			}
			if s.want == nil {
				if d.Result != gang.Impossible {
					t.Fatalf("%v, want a proof: %s", d.Result, d.Why)
				}
				return
			}
			if d.Ratio <= 0 || len(d.Runs) == 0 {
				t.Errorf("evicted %v, ratio %v, runs %v", d.Evicted, d.Ratio, d.Runs)
			}
			staysSo(t, s, p, d)
		})
	}
}

// staysSo lets the claimant start, and asks for every victim whether it would come back by evicting somebody.
func staysSo(t *testing.T, s scenario, p Problem, d Decision) {
	w := s.world
	w.units = nil
	for u, unit := range p.Units {
		if !slices.Contains(d.Victims, u) {
			w.units = append(w.units, unit)
			continue
		}
		w.books.Release(unit.Queue, unit.Usage, false)
		for _, pod := range unit.Pods {
			w.nodes[pod.Node] += pod.Amount[0]
		}
	}
	claimant := job{name: "claimant", queue: s.wish.queue, priority: s.wish.priority, minimum: s.wish.members, gpus: s.wish.gpus}
	for _, run := range d.Runs {
		claimant.at = append(claimant.at, slices.Repeat([]int32{run.Node}, run.Count)...)
	}
	w.run(claimant)
	if slices.Min(w.nodes) < 0 {
		t.Fatalf("the plan %v does not fit: free is %v", d.Runs, w.nodes)
	}
	for _, v := range d.Victims {
		unit := p.Units[v]
		back := w.asks(unit.Queue, unit.Priority, len(unit.Pods), unit.Pods[0].Amount[0])
		if again, err := Decide(back); err != nil || len(again.Victims) > 0 {
			t.Errorf("gang %s comes back by evicting %q, error %v", unit.Gang, victims(back, again), err)
		}
	}
}
