package dispatch

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// world is a cluster around a dispatcher, told in the simplest way: it tries what it is handed out and remembers what runs.
type world struct {
	fatalf  func(string, ...any)
	d       *Dispatcher
	now     time.Time
	gpus    map[string]int64    // of nodes
	waits   map[string]Gang     // not started yet
	runs    map[string]Gang     // started
	pods    map[string][]string // the nodes of the members of what runs
	victims map[string][]string // who leaves for whom
	limits  map[string]int64    // of queues
	over    map[string]int64    // what a queue had above its limit when that was lowered
	serial  int
}

var gpuTable = resource.NewTable(gpu)

func newWorld(fatalf func(string, ...any), reservations int) *world {
	w := &world{
		fatalf: fatalf, d: New(Options{Reservations: reservations, Patience: time.Minute}), now: epoch, gpus: map[string]int64{},
		waits: map[string]Gang{}, runs: map[string]Gang{}, pods: map[string][]string{}, victims: map[string][]string{},
		limits: map[string]int64{}, over: map[string]int64{},
	}
	for _, name := range []string{"a", "b"} {
		w.setQueue(name, 0)
	}
	w.d.SetNode("n1", resource.Amounts{gpu: 4}, "")
	w.gpus["n1"] = 4
	return w
}

func (w *world) setQueue(name string, limit int64) {
	q := ledger.Queue{Name: name, Weight: 1, Reclaimable: true, Guarantee: resource.Amounts{gpu: 2}}
	delete(w.limits, name)
	if limit > 0 {
		q.Limit, w.limits[name] = resource.Amounts{gpu: limit}, limit
	}
	w.d.Ledger.SetQueue(q)
	w.over[name] = w.used(name)
	w.d.Wake()
}

func (w *world) used(queue string) (gpus int64) {
	for _, g := range w.runs {
		if g.Queue == queue {
			gpus += g.Amount[gpu]
		}
	}
	return gpus
}

// empty is what every node has left, free what of that a gang may take.
func (w *world) empty() map[string]int64 {
	free := maps.Clone(w.gpus)
	for id, nodes := range w.pods {
		for _, node := range nodes {
			free[node] -= w.runs[id].Members[0].Amount[gpu]
		}
	}
	return free
}

func (w *world) free(g Gang) map[string]int64 {
	free := w.empty()
	for _, node := range w.d.HeldNodes(g.ID) {
		until := time.Time{}
		if g.Runtime > 0 {
			until = w.now.Add(g.Runtime)
		}
		free[node] = min(free[node], w.d.Spare(gpuTable, node, g.ID, w.now, until)[0])
	}
	return free
}

// place finds nodes for the members of a gang, which are all equal: if the first that fits is taken, none is wasted.
func place(g Gang, free map[string]int64) []string {
	var nodes []string
	for _, node := range slices.Sorted(maps.Keys(free)) {
		for each := g.Members[0].Amount[gpu]; free[node] >= each && len(nodes) < g.Members[0].Count; {
			free[node] -= each
			nodes = append(nodes, node)
		}
	}
	if len(nodes) < g.Members[0].Count {
		return nil
	}
	return nodes
}

// decide tries gangs until it is nobody's turn.
func (w *world) decide() {
	for count := 0; ; count++ {
		turn, ok := w.d.Next(w.now)
		if !ok {
			return
		}
		if count > 40+10*len(w.waits) {
			w.fatalf("turns without end, the last is that of %s", turn.ID)
		}
		if nodes := place(turn.Gang, w.free(turn.Gang)); nodes != nil && turn.Over == nil {
			w.start(turn.Gang, nodes)
		} else {
			w.block(turn)
		}
	}
}

func (w *world) start(g Gang, nodes []string) {
	w.d.Placed(g.ID)
	delete(w.waits, g.ID)
	w.runs[g.ID], w.pods[g.ID] = g, nodes
	w.d.Charge(g.Queue, g.Amount, g.Firm)
	for i, node := range nodes {
		w.d.Occupy(node, fmt.Sprint(g.ID, "-", i), Use{Amount: g.Members[0].Amount, Since: w.now, Runtime: g.Runtime})
	}
	w.d.Started(g.Queue, g.Priority, w.now)
	if limit, limited := w.limits[g.Queue]; limited && w.used(g.Queue) > max(limit, w.over[g.Queue]) {
		w.fatalf("queue %s uses %d with %s, its limit is %d", g.Queue, w.used(g.Queue), g.ID, limit)
	}
}

func (w *world) end(id string) {
	g := w.runs[id]
	for i, node := range w.pods[id] {
		w.d.Vacate(node, fmt.Sprint(id, "-", i))
	}
	delete(w.runs, id)
	delete(w.pods, id)
	w.d.Release(g.Queue, g.Amount, g.Firm)
	w.d.Ended(g.Queue, g.Priority)
	for _, claimant := range slices.Sorted(maps.Keys(w.victims)) {
		if at := slices.Index(w.victims[claimant], id); at >= 0 {
			w.victims[claimant] = slices.Delete(w.victims[claimant], at, at+1)
			if len(w.victims[claimant]) == 0 {
				delete(w.victims, claimant)
				w.d.Freed(claimant)
			}
		}
	}
}

// block makes room where a gang of lower priority of the same queue can leave, else reserves it, and else waits.
func (w *world) block(turn Turn) {
	g := turn.Gang
	blocked := noRoom()
	switch {
	case turn.Over != nil:
		blocked.Verdict.Reason = gang.QuotaExceeded
	case place(g, w.empty()) != nil:
		blocked.Verdict.Reason = gang.Reserved
	case place(g, maps.Clone(w.gpus)) == nil:
		blocked.Verdict.Reason = gang.ExceedsCluster
		w.d.Unreserve(g.ID)
		w.d.Block(g.ID, blocked, w.now)
		return
	}
	if victims, nodes := w.choose(turn); nodes != nil {
		w.victims[g.ID] = victims
		w.d.MakeRoom(g.ID, w.hold(g, nodes, w.now), gang.Verdict{Reason: gang.MakingRoom})
		return
	}
	nodes := place(g, maps.Clone(w.gpus))
	if turn.Over == nil && w.d.MayReserve(g.ID) && nodes != nil {
		start := w.now.Add(time.Minute)
		blocked.Again = w.d.Reserve(g.ID, w.hold(g, nodes, start), reservation.Start{Result: gang.Placed, Known: true, At: start}, w.now)
	} else {
		w.d.Unreserve(g.ID)
	}
	w.d.Block(g.ID, blocked, w.now)
}

func (w *world) choose(turn Turn) (victims, nodes []string) {
	free := w.free(turn.Gang)
	back := int64(0)
	for _, id := range slices.Sorted(maps.Keys(w.runs)) {
		v := w.runs[id]
		if v.Queue != turn.Queue || v.Priority >= turn.Priority || w.leaves(id) {
			continue
		}
		victims = append(victims, id)
		for _, node := range w.pods[id] {
			free[node] += v.Members[0].Amount[gpu]
		}
		back += v.Amount[gpu]
		limit, limited := w.limits[turn.Queue]
		if nodes := place(turn.Gang, maps.Clone(free)); nodes != nil && (!limited || w.used(turn.Queue)-back+turn.Amount[gpu] <= limit) {
			return victims, nodes
		}
	}
	return nil, nil
}

func (w *world) leaves(id string) bool {
	for _, victims := range w.victims {
		if slices.Contains(victims, id) {
			return true
		}
	}
	return false
}

func (w *world) hold(g Gang, nodes []string, start time.Time) reservation.Hold {
	hold := reservation.Hold{Gang: g.ID, Start: start, Amount: map[string]resource.Amounts{}}
	if g.Runtime > 0 {
		hold.End = start.Add(g.Runtime)
	}
	for _, node := range nodes {
		if hold.Amount[node] == nil {
			hold.Amount[node] = resource.Amounts{}
		}
		hold.Amount[node].Add(g.Members[0].Amount)
	}
	return hold
}

// check holds whenever it is nobody's turn.
func (w *world) check() {
	usage := map[string]int64{"a": w.used("a"), "b": w.used("b")}
	reservations := 0
	for id, g := range w.waits {
		if w.d.MakingRoom(id) {
			usage[g.Queue] += g.Amount[gpu]
		} else if _, has := w.d.Hold(id); has {
			reservations++
		}
		if why := w.d.Why(id, w.now); why.Reason == gang.None {
			w.fatalf("%s waits for no reason", id)
		}
		_, making := w.victims[id]
		if making != w.d.MakingRoom(id) {
			w.fatalf("victims leave for %s: %t, the dispatcher says %t", id, making, w.d.MakingRoom(id))
		}
	}
	for queue, want := range usage {
		if got := w.d.Ledger.Usage(queue)[gpu]; got != want {
			w.fatalf("queue %s is charged for %d, want %d", queue, got, want)
		}
	}
	if reservations > w.d.options.Reservations {
		w.fatalf("%d gangs have reservations", reservations)
	}
	if w.d.Waiting() != len(w.waits) {
		w.fatalf("%d wait, the dispatcher says %d", len(w.waits), w.d.Waiting())
	}
}

// checkNobodyCouldStart looks at everybody who waits.
func (w *world) checkNobodyCouldStart() {
	for _, id := range slices.Sorted(maps.Keys(w.waits)) {
		g := w.waits[id]
		if w.d.MakingRoom(id) || w.d.behind(w.d.waiting[id], w.now) != "" {
			continue // A gang that has waited for quota for long goes first.
		}
		if w.d.Ledger.Check(g.Queue, g.Amount, g.Firm) == nil && place(g, w.free(g)) != nil {
			w.fatalf("%s could start, and waits for %v", id, w.d.Why(id, w.now))
		}
	}
}

// op is one thing that happens; what A, B and C mean depends on the kind.
type op struct {
	Kind    string
	A, B, C int
}

// kinds are what may happen, some of it more often. Nothing comes first, so that scripts that fail can be cut down.
var kinds = []string{"", "add", "add", "add", "change", "remove", "end", "end", "evict", "spare", "time", "queue", "node"}

// Whatever happens: no queue goes above its limit, what is charged is what runs and what room is made for, turns come to an
// end, nobody waits who could start, and nothing is left of what is gone.
func TestDispatcherWhateverHappens(t *testing.T) {
	number := rapid.IntRange(0, 7)
	ops := rapid.Custom(func(t *rapid.T) op {
		return op{rapid.SampledFrom(kinds).Draw(t, "kind"), number.Draw(t, "A"), number.Draw(t, "B"), number.Draw(t, "C")}
	})
	rapid.Check(t, func(t *rapid.T) {
		script := slices.DeleteFunc(rapid.SliceOfN(ops, 80, 80).Draw(t, "script"), func(o op) bool { return o.Kind == "" })
		newWorld(t.Fatalf, rapid.IntRange(0, 2).Draw(t, "reservations")).play(script)
	})
}

func (w *world) play(script []op) {
	for _, o := range script {
		w.happen(o)
		w.decide()
		w.check()
	}
	for range 10 { // Back-offs end, and whoever was passed over is looked at again.
		w.now = w.now.Add(11 * time.Second)
		w.d.Wake()
		w.decide()
		w.check()
	}
	w.checkNobodyCouldStart()
	for _, id := range slices.Sorted(maps.Keys(w.waits)) {
		w.remove(id)
	}
	for _, id := range slices.Sorted(maps.Keys(w.runs)) {
		w.end(id)
	}
	d := w.d
	if left := len(d.waiting) + len(d.lines) + len(d.making) + len(d.due) + len(d.holds) + len(d.room.shapes) + len(d.runs); left > 0 {
		w.fatalf("%d things are left of gangs that are gone", left)
	}
}

func (w *world) happen(o op) {
	waiting, running := slices.Sorted(maps.Keys(w.waits)), slices.Sorted(maps.Keys(w.runs))
	switch {
	case o.Kind == "add":
		w.serial++
		g := w.asking(fmt.Sprintf("g%02d", w.serial), o)
		g.Queue, g.Born = [...]string{"a", "b"}[o.A%2], w.now
		g.Priority, g.Runtime = int32(o.A/4), time.Duration(o.C/3)*time.Minute
		w.waits[g.ID] = g
		w.d.Add(g, w.now)
	case o.Kind == "change" && len(waiting) > 0:
		g := w.waits[waiting[o.A%len(waiting)]]
		asked := w.asking(g.ID, o)
		g.Shape, g.Amount, g.Members = asked.Shape, asked.Amount, asked.Members
		w.waits[g.ID] = g
		if w.d.Add(g, w.now); !w.d.MakingRoom(g.ID) {
			delete(w.victims, g.ID)
		}
	case o.Kind == "remove" && len(waiting) > 0:
		w.remove(waiting[o.A%len(waiting)])
	case o.Kind == "end" && len(running) > 0:
		w.end(running[o.A%len(running)])
	case o.Kind == "evict" && len(w.victims) > 0:
		w.end(w.victims[slices.Sorted(maps.Keys(w.victims))[o.A%len(w.victims)]][0])
	case o.Kind == "spare" && len(w.victims) > 0:
		id := slices.Sorted(maps.Keys(w.victims))[o.A%len(w.victims)]
		delete(w.victims, id)
		w.d.GiveUpRoom(id, gang.Verdict{Reason: gang.Unschedulable}, w.now)
	case o.Kind == "time":
		w.now = w.now.Add([...]time.Duration{1, 1, 5, 5, 15, 15, 61, 400}[o.A] * time.Second)
		w.d.Wake()
	case o.Kind == "queue":
		w.setQueue([...]string{"a", "b"}[o.A%2], int64(o.B))
	case o.Kind == "node" && o.B > 0:
		name := [...]string{"n1", "n2"}[o.A%2]
		w.gpus[name] = int64(o.B)
		w.d.SetNode(name, resource.Amounts{gpu: int64(o.B)}, "")
	case o.Kind == "node":
		w.gpus["n2"] = 0
		w.d.DeleteNode("n2")
	}
}

func (w *world) asking(id string, o op) Gang { return asking(id, 1+o.B%3, int64(1+o.C%3)) }

func (w *world) remove(id string) {
	delete(w.waits, id)
	delete(w.victims, id)
	w.d.Remove(id)
}
