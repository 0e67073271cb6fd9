package reservation

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// The oracle looks at every minute up to the horizon, where all that ever ends has ended, and at every way to place a gang.
const horizon = 60

var table = resource.NewTable("cpu", "gpu")

// runsAt, written once more: what runs or is held on a node at a minute, by the words of the type definitions.
func oracleRoom(p Problem, node, minute int) resource.Vector {
	at := p.Now.Add(time.Duration(minute) * time.Minute)
	room := append(resource.Vector{}, p.Nodes[node].Allocatable...)
	for _, use := range p.Nodes[node].Uses {
		until := use.Until
		if !until.IsZero() && !until.After(p.Now) {
			until = p.Now.Add(time.Minute)
		}
		if until.IsZero() || at.Before(until) {
			room.Sub(use.Amount)
		}
	}
	for _, hold := range p.Holds {
		start, end := hold.Start, hold.End
		switch {
		case start.IsZero():
			start, end = p.Now, time.Time{}
		case start.Before(p.Now):
			if end.After(start) {
				end = p.Now.Add(end.Sub(start))
			}
			start = p.Now
		}
		if !at.Before(start) && (!end.After(start) || at.Before(end)) {
			for d := range room {
				room[d] -= hold.Amount[p.Nodes[node].Name][p.Table.Name(d)]
			}
		}
	}
	return room
}

// oracleSpare is the least room in minutes [from, to).
func oracleSpare(p Problem, node, from, to int) resource.Vector {
	spare := oracleRoom(p, node, from)
	for minute := from + 1; minute < to; minute++ {
		for d, amount := range oracleRoom(p, node, minute) {
			spare[d] = min(spare[d], amount)
		}
	}
	return spare
}

// oracleFits tries all placements of what the gang needs. It is called with minute horizon for "in the end".
func oracleFits(p Problem, minute int) bool {
	to := min(2*horizon, minute+int(p.Runtime/time.Minute))
	if p.Runtime <= 0 {
		to = 2 * horizon
	}
	room := make([]resource.Vector, len(p.Nodes))
	for i := range room {
		room[i] = oracleSpare(p, i, minute, to)
	}
	return oraclePlace(p.Gang, room, make([]int, len(p.Gang.Classes)), 0, 0)
}

func oraclePlace(g gang.Problem, room []resource.Vector, placed []int, class, node int) bool {
	if oracleMet(g, placed) {
		return true
	}
	if class == len(g.Classes) {
		return false
	}
	c := g.Classes[class]
	if node == len(c.Nodes) {
		return oraclePlace(g, room, placed, class+1, 0)
	}
	if oraclePlace(g, room, placed, class, node+1) {
		return true
	}
	at := room[c.Nodes[node]]
	if placed[class] == c.Count || !c.Request.Fits(at) {
		return false
	}
	at.Sub(c.Request)
	placed[class]++
	fits := oraclePlace(g, room, placed, class, node)
	placed[class]--
	at.Add(c.Request)
	return fits
}

func oracleMet(g gang.Problem, placed []int) bool {
	sum, roles := 0, map[string]int{}
	for c, n := range placed {
		sum += n
		roles[g.Classes[c].Role] += n
	}
	for role, n := range g.Need.Role {
		if roles[role] < n {
			return false
		}
	}
	return sum >= g.Need.Total
}

// drawProblem is small and full of coincidences: times are whole minutes, amounts small.
func drawProblem(t *rapid.T, holds int) Problem {
	p := Problem{Table: table, Now: noon, Runtime: time.Duration(rapid.IntRange(0, 15).Draw(t, "runtime")) * time.Minute}
	for i := range rapid.IntRange(1, 3).Draw(t, "nodes") {
		node := Node{Name: fmt.Sprint("n", i), Allocatable: drawAmount(t, "allocatable", 0, 6)}
		for range rapid.IntRange(0, 4).Draw(t, "uses") {
			node.Uses = append(node.Uses, Use{
				Amount: drawAmount(t, "use", 0, 3),
				Since:  after(-rapid.IntRange(0, 30).Draw(t, "since")),
				Until:  drawTime(t, "until", -3, 20),
			})
		}
		p.Nodes = append(p.Nodes, node)
	}
	for i := range holds {
		p.Holds = append(p.Holds, drawHold(t, i))
	}
	for range rapid.IntRange(1, 2).Draw(t, "classes") {
		class := gang.Class{
			Role:    rapid.SampledFrom([]string{"ps", "worker"}).Draw(t, "role"),
			Count:   rapid.IntRange(0, 3).Draw(t, "count"),
			Request: drawAmount(t, "request", 0, 3),
		}
		for i := range p.Nodes {
			if rapid.IntRange(0, 5).Draw(t, "allowed") > 0 {
				class.Nodes = append(class.Nodes, int32(i))
			}
		}
		p.Gang.Classes = append(p.Gang.Classes, class)
	}
	p.Gang.Need = gang.Need{Total: rapid.IntRange(0, 4).Draw(t, "need")}
	if n := rapid.IntRange(0, p.Gang.Need.Total).Draw(t, "workers"); n > 0 {
		p.Gang.Need.Role = map[string]int{"worker": n}
	}
	return p
}

func drawAmount(t *rapid.T, label string, least, most int64) resource.Vector {
	amount := rapid.Int64Range(least, most)
	return resource.Vector{amount.Draw(t, label), amount.Draw(t, label)}
}

func drawHold(t *rapid.T, i int) Hold {
	hold := Hold{Gang: fmt.Sprint("other", i), Start: drawTime(t, "start", -5, 25), Amount: map[string]resource.Amounts{}}
	if rapid.IntRange(0, 4).Draw(t, "ends") > 0 {
		hold.End = hold.Start.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "length")) * time.Minute)
	}
	for range rapid.IntRange(0, 2).Draw(t, "held nodes") {
		node := fmt.Sprint("n", rapid.IntRange(0, 3).Draw(t, "held node"))
		hold.Amount[node] = resource.Amounts{"gpu": rapid.Int64Range(0, 3).Draw(t, "held"), "fpga": 7}
	}
	return hold
}

// drawTime is one of a few minutes, or never.
func drawTime(t *rapid.T, label string, from, to int) time.Time {
	if rapid.IntRange(0, 5).Draw(t, label+" known") == 0 {
		return time.Time{}
	}
	return after(rapid.IntRange(from, to).Draw(t, label))
}
