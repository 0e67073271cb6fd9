package reservation

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// play runs a small cluster minute by minute, the way a scheduler uses this package.
type play struct {
	t       *rapid.T
	k       int  // how many gangs get holds
	known   bool // all have an expected run time
	nodes   []int64
	minute  int
	line    []*job
	running []*job
}

// job is a gang of count members of some GPUs each.
type job struct {
	id, count        int
	gpus             int64
	runs, expected   int // minutes; expected 0: unknown
	made, start, end int // when it got a hold (-1: never), started, and ends
	on               []gang.Run
	hold             Hold
}

func (p *play) now() time.Time { return after(p.minute) }

func (j *job) expectation() time.Duration { return time.Duration(j.expected) * time.Minute }

func (p *play) drawJob(id int, longest int, factors ...float64) *job {
	j := &job{
		id:       id,
		count:    rapid.IntRange(1, 3).Draw(p.t, "count"),
		gpus:     rapid.Int64Range(1, 4).Draw(p.t, "gpus"),
		expected: rapid.IntRange(1, longest).Draw(p.t, "expected"),
		made:     -1,
	}
	j.runs = max(1, int(float64(j.expected)*rapid.SampledFrom(factors).Draw(p.t, "factor")))
	if !p.known && rapid.IntRange(0, 5).Draw(p.t, "unknown") == 0 {
		j.expected = 0
	}
	j.hold.Gang = fmt.Sprint(id)
	return j
}

// fits tells whether a gang fits the cluster when it is empty.
func (p *play) fits(j *job) bool {
	slots := 0
	for _, gpus := range p.nodes {
		slots += int(gpus / j.gpus)
	}
	return slots >= j.count
}

// problem is that of a gang, with holds of others.
func (p *play) problem(j *job, holds []Hold) Problem {
	var nodes []Node
	for i, gpus := range p.nodes {
		nodes = append(nodes, node(fmt.Sprint("n", i), gpus))
	}
	for _, r := range p.running {
		end := ExpectedEnd(after(r.start), r.expectation(), p.now())
		for _, run := range r.on {
			for range run.Count {
				use := Use{Amount: resource.Vector{r.gpus}, Since: after(r.start), Until: end}
				nodes[run.Node].Uses = append(nodes[run.Node].Uses, use)
			}
		}
	}
	problem := ask(j.count, j.gpus, j.expectation(), nodes...)
	problem.Now, problem.Holds = p.now(), holds
	return problem
}

// step ends what has run its time, and starts what can be started.
func (p *play) step() {
	p.running = slices.DeleteFunc(p.running, func(j *job) bool { return j.end <= p.minute })
	var ahead []Hold
	for i := 0; i < len(p.line); i++ {
		j := p.line[i]
		var on []gang.Run
		if len(ahead) < p.k {
			on = p.reserve(j, ahead, p.line[i+1:])
		} else {
			on = p.backfill(j, ahead)
		}
		if on == nil {
			if j.made >= 0 {
				ahead = append(ahead, j.hold)
			}
			continue
		}
		j.on, j.start, j.end = on, p.minute, p.minute+j.runs
		p.running = append(p.running, j)
		p.line = slices.Delete(p.line, i, i+1)
		i--
	}
	p.checkCapacity()
}

// reserve renews the hold of a gang, and says where to start it if that is now.
func (p *play) reserve(j *job, ahead []Hold, behind []*job) []gang.Run {
	var holds []Hold
	for _, b := range behind {
		if b.made >= 0 {
			holds = append(holds, b.hold)
		}
	}
	hold, start, err := Renew(p.problem(j, ahead), j.hold, holds)
	if err != nil || start.Result != gang.Placed {
		p.t.Fatalf("%+v: %+v, %v", j, start, err)
	}
	if start.Known && start.At.Equal(p.now()) {
		return start.Runs
	}
	if j.made < 0 {
		j.made = p.minute
	}
	j.hold = hold
	return nil
}

// backfill places a gang where every member stays within what the holds of others spare.
func (p *play) backfill(j *job, holds []Hold) []gang.Run {
	problem := p.problem(j, holds)
	var until time.Time
	if j.expected > 0 {
		until = p.now().Add(j.expectation())
	}
	for _, node := range problem.Nodes {
		problem.Gang.Nodes = append(problem.Gang.Nodes, gang.Node{Free: Spare(gpus, node, holds, p.now(), until)})
	}
	outcome, err := gang.Plan(problem.Gang, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return outcome.Runs
}

func (p *play) checkCapacity() {
	free := slices.Clone(p.nodes)
	for _, j := range p.running {
		for _, run := range j.on {
			if free[run.Node] -= int64(run.Count) * j.gpus; free[run.Node] < 0 {
				p.t.Fatalf("minute %d: node %d is overcommitted", p.minute, run.Node)
			}
		}
	}
}

func newPlay(t *rapid.T, k int) *play {
	return &play{t: t, k: k, nodes: rapid.SliceOfN(rapid.Int64Range(1, 8), 1, 4).Draw(t, "nodes")}
}

// Where nothing runs longer than expected, no hold is ever moved to a later time, whatever else is placed within Spare; and
// every gang with a hold starts when it was promised to, or before. Several holds need that everything has an expected end:
// else a gang may have to wait behind an endless hold without one of its own, and gets it, before others, when that is gone.
func TestNoHoldIsDelayed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlay(t, rapid.IntRange(1, 3).Draw(t, "K"))
		p.known = p.k > 1
		promised := map[*job]time.Time{}
		for p.minute = range 60 {
			for range rapid.IntRange(0, 2).Draw(t, "arrivals") {
				if j := p.drawJob(len(promised), 12, 0.3, 1); p.fits(j) {
					promised[j] = time.Time{}
					p.line = append(p.line, j)
				}
			}
			p.step()
			for j, before := range promised {
				start := j.hold.Start
				if j.on != nil {
					start = after(j.start)
				}
				if before.IsZero() {
					promised[j] = j.hold.Start
				} else if start.IsZero() || start.After(before) {
					t.Fatalf("minute %d: job %+v was to start at %v, now at %v", p.minute, j, before, start)
				} else {
					promised[j] = start
				}
			}
		}
	})
}

// However wrong estimates are, and however many others would like to pass, the first in line starts within a time that
// only depends on how long jobs run and are expected to.
func TestTheFirstInLineStarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlay(t, rapid.IntRange(1, 3).Draw(t, "K"))
		factors := []float64{0.02, 1, 1.5, 4, 20}
		if rapid.Bool().Draw(t, "all alike") {
			factors = []float64{rapid.SampledFrom(factors).Draw(t, "everybody's factor")}
		}
		expected := rapid.IntRange(1, 10).Draw(t, "longest expected")
		longest, id := 1, 0
		arrive := func() {
			for len(p.line) < 6 {
				if j := p.drawJob(id, expected, factors...); p.fits(j) {
					p.line = append(p.line, j)
					longest = max(longest, j.runs, j.expected)
					id++
				}
			}
		}
		for p.minute = range 10 {
			arrive()
			p.step()
		}
		big := p.drawJob(-1, expected, 1)
		big.gpus = min(big.gpus, slices.Max(p.nodes))
		for big.count = 2; p.fits(big); big.count++ {
		}
		big.count = rapid.IntRange(big.count/2, big.count-1).Draw(t, "size")
		p.line = slices.Insert(p.line, 0, big)
		for begun := p.minute; big.on == nil; p.minute++ {
			if p.minute-begun > 4*longest+2 {
				t.Fatalf("minute %d: %+v has waited since minute %d; no job took longer than %d", p.minute, big, begun, longest)
			}
			arrive()
			p.step()
		}
	})
}
