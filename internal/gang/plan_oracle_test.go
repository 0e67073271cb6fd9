package gang

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

// mostByTrying is the largest number of members of a valid plan, or -1 if there is none, found by trying everything: each
// member in turn on each of its nodes and on none. Equal members take their nodes in ascending order, as it makes no
// difference which of them is where.
func mostByTrying(p Problem) int {
	var members []int // the class of each
	for c, class := range p.Classes {
		for range class.Count {
			members = append(members, c)
		}
	}
	free := freeOf(p)
	placed := make([]int, len(p.Classes))
	most := -1
	var try func(i int, from int32)
	try = func(i int, from int32) {
		if i == len(members) {
			if coversNeed(p, placed) {
				most = max(most, total(placed))
			}
			return
		}
		c := members[i]
		if i > 0 && members[i-1] != c {
			from = 0
		}
		for _, node := range p.Classes[c].Nodes {
			if request := p.Classes[c].Request; node >= from && request.Fits(free[node]) {
				free[node].Sub(request)
				placed[c]++
				try(i+1, node)
				placed[c]--
				free[node].Add(request)
			}
		}
		try(i+1, int32(len(p.Nodes))) // on none, and then none of the equal ones either
	}
	try(0, 0)
	return most
}

func freeOf(p Problem) []resource.Vector {
	free := make([]resource.Vector, len(p.Nodes))
	for i, node := range p.Nodes {
		free[i] = slices.Clone(node.Free)
	}
	return free
}

// mostInSpace is the same with a Space: it visits every state that can be reached by placing members one by one.
func mostInSpace(p Problem, newRules func() *rules) int {
	r := newRules()
	placed := make([]int, len(p.Classes))
	seen := map[string]bool{}
	most := -1
	var visit func()
	visit = func() {
		if state := fmt.Sprint(r.members); seen[state] {
			return
		} else {
			seen[state] = true
		}
		if coversNeed(p, placed) && total(placed) > most {
			most = total(placed)
		}
		for c, class := range p.Classes {
			for _, node := range class.Nodes {
				if placed[c] == class.Count || !r.hasRoom(c, node) {
					continue
				}
				if ok, _ := r.Place(c, node); ok {
					placed[c]++
					visit()
					placed[c]--
					_ = r.Undo()
				}
			}
		}
	}
	visit()
	return most
}

func coversNeed(p Problem, placed []int) bool {
	for role, need := range p.Need.Role {
		n := 0
		for c, class := range p.Classes {
			if class.Role == role {
				n += placed[c]
			}
		}
		if n < need {
			return false
		}
	}
	return total(placed) >= p.Need.Total
}

// unsound says what is wrong with an outcome that claims to have a plan, or is empty. It places the runs one by one.
func unsound(p Problem, o Outcome, r *rules) string {
	free := freeOf(p)
	placed := make([]int, len(p.Classes))
	for _, run := range o.Runs {
		class := p.Classes[run.Class]
		if !slices.Contains(class.Nodes, run.Node) || run.Count < 1 {
			return fmt.Sprintf("run %+v is not allowed", run)
		}
		for range run.Count {
			if !class.Request.Fits(free[run.Node]) {
				return fmt.Sprintf("run %+v does not fit", run)
			}
			free[run.Node].Sub(class.Request)
			placed[run.Class]++
			if r == nil {
				continue
			}
			if ok, _ := r.Place(run.Class, run.Node); !ok {
				return fmt.Sprintf("run %+v is against the rules", run)
			}
		}
	}
	for c, class := range p.Classes {
		if placed[c] > class.Count || placed[c] != o.Fit[c] {
			return fmt.Sprintf("class %d has %d of %d members placed, and Fit says %d", c, placed[c], class.Count, o.Fit[c])
		}
	}
	if !coversNeed(p, placed) {
		return fmt.Sprintf("%v does not cover %+v", placed, p.Need)
	}
	return ""
}

// drawProblem makes a small gang on a small cluster. The sizes are drawn so that demand and supply are often close, and
// evenly rather than by rapid, which prefers small numbers: nothing interesting happens where everything is small.
func drawProblem(t *rapid.T, maxNodes, maxMembers int) Problem {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "more seed")))
	between := func(low, high int) int { return low + random.IntN(high-low+1) }
	dims := between(1, 3)
	amount := func(low, high int) resource.Vector {
		v := make(resource.Vector, dims)
		for d := range v {
			v[d] = int64(between(low, high))
		}
		return v
	}
	p := Problem{Need: Need{Role: map[string]int{}}, Budget: 1 << 24}
	for range between(1, maxNodes) {
		node := Node{Free: amount(3, 9), Idle: between(0, 1) == 0}
		if between(0, 9) == 0 {
			node.Free[0] = int64(between(-2, 0))
		}
		p.Nodes = append(p.Nodes, node)
	}
	left := between((maxMembers+1)/2, maxMembers)
	for classes := between(1, 3); classes > 0; classes-- {
		class := Class{Role: []string{"ps", "worker"}[between(0, 1)], Count: left, Request: amount(0, 5)}
		if classes > 1 {
			class.Count = between(0, left)
		}
		left -= class.Count
		scored, costs := between(0, 2) == 0, between(0, 2) == 0
		class.Spread = between(0, 4) == 0
		for node := range p.Nodes {
			if between(0, 6) == 0 {
				continue
			}
			class.Nodes = append(class.Nodes, int32(node))
			if scored {
				class.Score = append(class.Score, int64(between(0, 2)))
			}
			if costs {
				class.Cost = append(class.Cost, int64(between(-1, 1)))
			}
		}
		p.Classes = append(p.Classes, class)
	}
	drawNeed(&p, between)
	return p
}

// drawNeed asks for what the members could cover, often for all of them, and sometimes for more.
func drawNeed(p *Problem, between func(low, high int) int) {
	byRole := Tally{}
	for _, class := range p.Classes {
		byRole[class.Role] += class.Count
	}
	for _, role := range []string{"ps", "worker"} {
		if n := between(0, byRole[role]); n > 0 {
			p.Need.Role[role] = n
		}
	}
	low := Tally(p.Need.Role).Total()
	p.Need.Total = between(low, byRole.Total())
	switch between(0, 19) {
	case 0:
		p.Need.Total = byRole.Total() + 1
	case 1:
		p.Need = Need{}
	}
}
