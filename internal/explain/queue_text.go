package explain

import (
	"fmt"
	"maps"
	"strings"

	"github.com/muster-scheduling/muster/internal/resource"
)

// QueueText says all about one queue: a bar for each resource, who waits, and the tree below it with bars of the named
// resource. It fails when there is no such queue.
func (q Queues) QueueText(queue, name string, look Look) (string, error) {
	places := q.tree(queue, look)
	if len(places) == 0 {
		return "", fmt.Errorf("there is no queue %q", queue)
	}
	top := places[0]
	f := &facts{Look: look}
	f.sentence(fmt.Sprintf("Queue %s", q.pathTo(queue)))
	f.out.WriteString("\n")
	f.add("Weight", fmt.Sprint(top.Weight))
	f.add("Gangs", fmt.Sprintf("%s, %s", gangsRun(top.Admitted), gangsWait(top.Pending)))
	if len(top.Reasons) > 0 {
		f.add("Reasons", tally(top.Reasons))
	}
	if top.Head != nil {
		f.add("Next", top.Head.text())
	}
	if top.Stopped != "" {
		f.add("Stopped", stopped(top.Stopped))
	}
	if top.Fault != "" {
		f.add("Fault", top.Fault)
	}
	resources := q.resources(top.Queue, look)
	f.out.WriteString(apart(resources))
	if len(places) > 1 {
		fmt.Fprintf(&f.out, "\n%s:\n", name)
		f.out.WriteString(q.bars(places, name, look))
	}
	if resources != "" || len(places) > 1 {
		f.out.WriteString(look.legend())
	}
	f.out.WriteString(waiting(places[1:], look))
	return f.out.String(), nil
}

// pathTo is the way from the top of the tree to a queue; it ends where the tree is a cycle.
func (q Queues) pathTo(queue string) string {
	var chain []string
	seen := map[string]bool{}
	for name := queue; name != "" && !seen[name]; {
		seen[name] = true
		chain = append(chain, name)
		found := q.named(name)
		if len(found) == 0 {
			break
		}
		name = found[0].Parent
	}
	return path(queue, chain)
}

// resources is a table with a bar for each resource that the queue names or uses, each on its own scale: what the
// cluster has of it. Empty if there is none.
func (q Queues) resources(queue Queue, look Look) string {
	known := map[string]bool{}
	for _, amounts := range []resource.Amounts{queue.Guarantee, queue.Limit, queue.Usage} {
		for name := range amounts {
			known[name] = true
		}
	}
	names := byImportance(maps.Keys(known))
	if len(names) == 0 {
		return ""
	}
	rows := [][]string{{"RESOURCE", "USED", "GUARANTEE", "SHARE", "LIMIT", "CLUSTER"}}
	for _, name := range names {
		rows = append(rows, append(append([]string{name}, numbers(queue, name)...), Quantity(name, q.Capacity[name])))
	}
	lines, room := columns(rows, look.Width)
	var out strings.Builder
	for i, line := range lines {
		if i > 0 {
			name := names[i-1]
			line += bar(levelsOf(queue, name), max(q.Capacity[name], queue.Usage[name]), room, look.signs())
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

func gangsRun(n int) string {
	if n == 1 {
		return "1 runs"
	}
	return fmt.Sprintf("%d run", n)
}
