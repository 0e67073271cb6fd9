package gang

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

// mostByTrying is the largest number of members of a valid plan, or -1 if there is none, found by trying everything: each
// member in turn on each of its nodes and on none.
func mostByTrying(p Problem) int {
	var members []int // the class of each
	for c, class := range p.Classes {
		for range class.Count {
			members = append(members, c)
		}
	}
	free := make([]resource.Vector, len(p.Nodes))
	for i, node := range p.Nodes {
		free[i] = append(resource.Vector(nil), node.Free...)
	}
	placed := make([]int, len(p.Classes))
	most := -1
	var try func(i int)
	try = func(i int) {
		if i == len(members) {
			if covers := coversNeed(p, placed); covers && total(placed) > most {
				most = total(placed)
			}
			return
		}
		c := members[i]
		class := p.Classes[c]
		for _, node := range class.Nodes {
			if class.Request.Fits(free[node]) {
				free[node].Sub(class.Request)
				placed[c]++
				try(i + 1)
				placed[c]--
				free[node].Add(class.Request)
			}
		}
		try(i + 1)
	}
	try(0)
	return most
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
	free := make([]resource.Vector, len(p.Nodes))
	for i, node := range p.Nodes {
		free[i] = append(resource.Vector(nil), node.Free...)
	}
	placed := make([]int, len(p.Classes))
	for _, run := range o.Runs {
		class := p.Classes[run.Class]
		allowed := false
		for _, node := range class.Nodes {
			allowed = allowed || node == run.Node
		}
		if !allowed || run.Count < 1 {
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

// drawProblem makes a small gang on a small cluster, with requests and gaps of sizes that often do not match.
func drawProblem(t *rapid.T, maxNodes, maxMembers int) Problem {
	dims := rapid.IntRange(1, 3).Draw(t, "resources")
	amount := func(low, high int) resource.Vector {
		v := make(resource.Vector, dims)
		for d := range v {
			v[d] = int64(rapid.IntRange(low, high).Draw(t, "amount"))
		}
		return v
	}
	p := Problem{Need: Need{Role: map[string]int{}}, Budget: 1 << 24}
	for range rapid.IntRange(1, maxNodes).Draw(t, "nodes") {
		p.Nodes = append(p.Nodes, Node{Free: amount(-1, 8), Idle: rapid.Bool().Draw(t, "idle")})
	}
	left := maxMembers
	for range rapid.IntRange(1, 3).Draw(t, "classes") {
		class := Class{
			Role:    rapid.SampledFrom([]string{"ps", "worker"}).Draw(t, "role"),
			Count:   rapid.IntRange(0, min(left, 4)).Draw(t, "count"),
			Request: amount(0, 5),
		}
		left -= class.Count
		scored := rapid.Bool().Draw(t, "scored")
		for node := range p.Nodes {
			if rapid.IntRange(0, 4).Draw(t, "allowed") == 0 {
				continue
			}
			class.Nodes = append(class.Nodes, int32(node))
			if scored {
				class.Score = append(class.Score, int64(rapid.IntRange(0, 2).Draw(t, "score")))
			}
		}
		p.Classes = append(p.Classes, class)
	}
	drawNeed(t, &p, maxMembers-left)
	return p
}

// drawNeed asks for something that the members could cover, as callers do, and sometimes for more.
func drawNeed(t *rapid.T, p *Problem, members int) {
	byRole := Tally{}
	for _, class := range p.Classes {
		byRole[class.Role] += class.Count
	}
	for _, role := range []string{"ps", "worker"} {
		if n := rapid.IntRange(0, byRole[role]).Draw(t, "role need"); n > 0 {
			p.Need.Role[role] = n
		}
	}
	low := Tally(p.Need.Role).Total()
	p.Need.Total = rapid.IntRange(low, max(low, members)).Draw(t, "need")
	if rapid.IntRange(0, 19).Draw(t, "too much") == 0 {
		p.Need.Total = members + 1
	}
}
