package explain

import (
	"cmp"
	"slices"
)

// place is a queue at its place in the tree.
type place struct {
	Queue
	branch string // what is drawn in front of the name
}

// tree lists the queues from the top down, children below their parent and by name. A queue whose parent does not exist
// stands at the top; so does one of each cycle. With top, only that queue and what is below it.
func (q Queues) tree(top string, look Look) []place {
	children := map[string][]Queue{}
	exists := map[string]bool{}
	for _, queue := range q.Queues {
		exists[queue.Name] = true
	}
	for _, queue := range q.Queues {
		parent := queue.Parent
		if !exists[parent] {
			parent = ""
		}
		children[parent] = append(children[parent], queue)
	}
	for _, siblings := range children {
		slices.SortFunc(siblings, func(a, b Queue) int { return cmp.Compare(a.Name, b.Name) })
	}
	d := drawing{children: children, done: map[string]bool{}, unicode: look.Unicode}
	if top != "" {
		d.draw(q.named(top), "", "")
		return d.places
	}
	d.draw(children[""], "", "")
	// What is left is in cycles, or below them.
	rest := slices.SortedFunc(slices.Values(q.Queues), func(a, b Queue) int { return cmp.Compare(a.Name, b.Name) })
	for i := range rest {
		d.draw(rest[i:i+1], "", "")
	}
	return d.places
}

// named is the queue of that name, alone; empty if there is none.
func (q Queues) named(name string) []Queue {
	i := slices.IndexFunc(q.Queues, func(queue Queue) bool { return queue.Name == name })
	if i < 0 {
		return nil
	}
	return q.Queues[i : i+1]
}

// drawing is a tree that is being drawn.
type drawing struct {
	children map[string][]Queue
	done     map[string]bool
	unicode  bool
	places   []place
}

// draw adds siblings with all that is below them, once each. Before is what stands in front of them, in their lines and
// below; parent is the name of the queue above, empty at the top, where no branches are drawn.
func (d *drawing) draw(siblings []Queue, before, parent string) {
	for i, queue := range siblings {
		if d.done[queue.Name] {
			continue
		}
		d.done[queue.Name] = true
		here, below := "", ""
		if parent != "" {
			here, below = d.branch(i == len(siblings)-1)
		}
		d.places = append(d.places, place{Queue: queue, branch: before + here})
		d.draw(d.children[queue.Name], before+below, queue.Name)
	}
}

// branch is what leads to a queue, and what goes on below it.
func (d *drawing) branch(last bool) (here, below string) {
	switch {
	case d.unicode && last:
		return "└─ ", "   "
	case d.unicode:
		return "├─ ", "│  "
	case last:
		return "`- ", "   "
	}
	return "|- ", "|  "
}
