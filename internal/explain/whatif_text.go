package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Text says when and where the gang would start, and whom that would evict. The name is the gang's, as in
// "PyTorchJob team-a/llm".
func (a Answer) Text(name string, now time.Time, look Look) string {
	f := &facts{Look: look}
	f.sentence(fmt.Sprintf("%s %s.", name, a.outcome(now)))
	if a.Message != "" {
		f.paragraph(a.Message)
	}
	f.out.WriteString("\n")
	f.add("Queue", path(a.Queue, a.Chain))
	if a.Position > 0 {
		f.add("In line", fmt.Sprintf("%s in queue %s", ordinal(a.Position), a.Queue))
	}
	f.add("Places", a.places()...)
	if len(a.Victims) > 0 {
		f.add("Evicts", a.evicts())
		f.out.WriteString(victimTable(a.Victims))
	}
	f.add("Would help", a.Hints...)
	return f.out.String()
}

// outcome completes the sentence that starts with the gang's name.
func (a Answer) outcome(now time.Time) string {
	why := ""
	if a.Reason != "" {
		why = ": it " + waits(a.Reason)
	}
	switch a.Verdict {
	case StartsNow:
		return "would start now"
	case AfterEvictions:
		return fmt.Sprintf("would start as soon as %s evicted", gangsAre(len(a.Victims)))
	case Later:
		if a.Known {
			return "would start " + ahead(a.Start, now) + why
		}
		return "would wait, nobody can tell for how long" + why
	case Never:
		return "would never start" + why
	}
	return fmt.Sprintf("gets an answer that this kubectl-muster is too old for, %q%s", a.Verdict, why)
}

// places is a line for each role: how many members, and where.
func (a Answer) places() []string {
	byRole := map[string][]Placement{}
	for _, p := range a.Placement {
		byRole[p.Role] = append(byRole[p.Role], p)
	}
	var lines []string
	for _, role := range slices.Sorted(maps.Keys(byRole)) {
		name, total, even := "", 0, true
		if role != "" {
			name = role + ": "
		}
		for _, p := range byRole[role] {
			total += p.Count
			even = even && p.Count == byRole[role][0].Count
		}
		lines = append(lines, fmt.Sprintf("%s%s on %s", name, count(total, "pod"), onNodes(byRole[role], even)))
	}
	return lines
}

// onNodes names the nodes, with how many each gets unless it is said once for all.
func onNodes(places []Placement, even bool) string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.Node
		if !even {
			names[i] = fmt.Sprintf("%s (%d)", p.Node, p.Count)
		}
	}
	switch {
	case len(places) == 1:
		return names[0]
	case even:
		return fmt.Sprintf("%d nodes, %d each: %s", len(places), places[0].Count, some(names, fewNodes))
	}
	return fmt.Sprintf("%d nodes: %s", len(places), some(names, fewNodes))
}

// evicts sums the victims up.
func (a Answer) evicts() string {
	pods, lost := 0, int64(0)
	for _, v := range a.Victims {
		pods += v.Pods
		lost += v.LostGPUSeconds
	}
	text := fmt.Sprintf("%s, %s", count(len(a.Victims), "gang"), count(pods, "pod"))
	if lost > 0 {
		text += fmt.Sprintf("; %s of work lost", lostWork(lost))
	}
	if a.Ratio > 0 {
		text += fmt.Sprintf("; %s evicted for each 1 asked", decimal(a.Ratio))
	}
	return text
}

// victimTable has a line for each victim.
func victimTable(victims []Victim) string {
	rows := [][]string{{"GANG", "QUEUE", "PRIORITY", "PODS", "LOST"}}
	for _, v := range victims {
		rows = append(rows, []string{
			v.Namespace + "/" + v.Name, v.Queue, fmt.Sprint(v.Priority), v.pods(), lostWork(v.LostGPUSeconds),
		})
	}
	return table(rows, strings.Repeat(" ", column))
}
