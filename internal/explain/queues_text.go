package explain

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

const (
	// barLeast and barMost are how wide a bar is at least and at most.
	barLeast, barMost = 12, 48

	// anyWidth is the width of the table of queues where the width does not matter.
	anyWidth = 120

	// fewQueues is how many queues are told about in words where many have gangs that wait.
	fewQueues = 8
)

// DefaultResource is what is shown when nobody says what: GPUs if there are any, else CPU.
func (q Queues) DefaultResource() string {
	const gpu = "nvidia.com/gpu"
	if q.knows(gpu) {
		return gpu
	}
	return "cpu"
}

// knows says whether the cluster has any of the resource, or a queue names it. What every node has is known without nodes.
func (q Queues) knows(name string) bool {
	return name == "cpu" || q.Capacity[name] > 0 || slices.ContainsFunc(q.Queues, func(queue Queue) bool {
		return slices.ContainsFunc([]resource.Amounts{queue.Guarantee, queue.Limit, queue.Usage},
			func(a resource.Amounts) bool { _, ok := a[name]; return ok })
	})
}

// Text draws the tree of all queues with a bar of the resource for each, and says below which gangs wait. It fails when
// neither the cluster nor a queue knows the resource.
func (q Queues) Text(name string, look Look) (string, error) {
	if !q.knows(name) {
		return "", fmt.Errorf("the cluster has no %s, and no queue names it", name)
	}
	if len(q.Queues) == 0 {
		return "There are no queues: every gang is in the queue default, without limits.\n", nil
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s of %s in use\n\n", name, Quantity(name, q.used(name)), Quantity(name, q.Capacity[name]))
	places := q.tree("", look)
	out.WriteString(q.bars(places, name, look))
	out.WriteString(look.legend())
	out.WriteString(troubles(places, look))
	out.WriteString(waiting(places, look))
	return out.String(), nil
}

// used is the usage of the top queues.
func (q Queues) used(name string) int64 {
	total := int64(0)
	for _, queue := range q.Queues {
		if queue.Parent == "" {
			total = resource.Sum(total, queue.Usage[name])
		}
	}
	return total
}

// bars is the table of queues with their bars of one resource.
func (q Queues) bars(places []place, name string, look Look) string {
	rows := [][]string{{"QUEUE", "USED", "GUARANTEE", "SHARE", "LIMIT", "RUN", "WAIT"}}
	full := q.Capacity[name]
	for _, p := range places {
		full = max(full, p.Usage[name])
		rows = append(rows, append(append([]string{p.branch + p.Name}, numbers(p.Queue, name)...),
			strconv.Itoa(p.Admitted), strconv.Itoa(p.Pending)))
	}
	lines, room := columns(rows, look.Width)
	var out strings.Builder
	for i, line := range lines {
		switch {
		case i > 0:
			line += bar(levelsOf(places[i-1].Queue, name), full, room, look.signs())
		default:
			line += ruler(Quantity(name, full), room)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

// numbers are what a queue uses of a resource and may use: used, guarantee, share, limit.
func numbers(queue Queue, name string) []string {
	limit := "-"
	if amount, ok := queue.Limit[name]; ok {
		limit = Quantity(name, amount)
	}
	return []string{
		Quantity(name, queue.Usage[name]), Quantity(name, queue.Guarantee[name]), Quantity(name, queue.FairShare[name]), limit,
	}
}

func levelsOf(queue Queue, name string) levels {
	l := levels{used: queue.Usage[name], guarantee: queue.Guarantee[name], share: queue.FairShare[name], limit: math.MaxInt64}
	if limit, ok := queue.Limit[name]; ok {
		l.limit = limit
	}
	return l
}

// columns aligns the rows, the first column to the left and the others to the right, and says how much room is left for
// a bar in each line. Where that would be too little, the numbers that the bar shows as well are left out.
func columns(rows [][]string, width int) (lines []string, room int) {
	if width <= 0 {
		width = anyWidth
	}
	lines = align(rows)
	room = width - utf8.RuneCountInString(lines[0])
	if room < barLeast && len(rows[0]) > 5 {
		short := make([][]string, len(rows))
		for i, row := range rows {
			short[i] = slices.Delete(slices.Clone(row), 2, 5)
		}
		return columns(short, width)
	}
	return lines, min(max(room, barLeast), barMost)
}

func align(rows [][]string) []string {
	lines := make([]string, len(rows))
	for i := range rows[0] {
		widest := 0
		for _, row := range rows {
			widest = max(widest, utf8.RuneCountInString(row[i]))
		}
		for j, row := range rows {
			if i == 0 {
				lines[j] = left(row[i], widest)
			} else {
				lines[j] += "  " + right(row[i], widest)
			}
		}
	}
	for j := range lines {
		lines[j] += "  "
	}
	return lines
}

// ruler is the scale above the bars, from 0 to what is all.
func ruler(all string, width int) string {
	return "0" + right(all, width-1)
}

// troubles are the queues that admit nothing because they are stopped or wrong. What they have from the queue above is
// said there.
func troubles(places []place, look Look) string {
	above := map[string]Queue{}
	f := &facts{Look: look}
	for _, p := range places {
		if p.Fault != "" && p.Fault != above[p.Parent].Fault {
			f.sentence(fmt.Sprintf("%s admits nothing: %s", p.Name, p.Fault))
		}
		if p.Stopped != "" && p.Stopped != above[p.Parent].Stopped {
			f.sentence(fmt.Sprintf("%s admits nothing: %s", p.Name, stopped(p.Stopped)))
		}
		above[p.Name] = p.Queue
	}
	return apart(f.out.String())
}

// stopped says what a stop means.
func stopped(how string) string {
	if how == "Drain" {
		return "it, or a queue above it, is stopped (Drain: what runs is evicted)"
	}
	return fmt.Sprintf("it, or a queue above it, is stopped (%s)", how)
}

// waiting says for the queues in which most gangs wait why they do, and what is the matter with the first of them.
func waiting(places []place, look Look) string {
	parents := map[string]bool{}
	for _, p := range places {
		parents[p.Parent] = true
	}
	leaves := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.Pending == 0 || parents[p.Name] })
	slices.SortStableFunc(leaves, func(a, b place) int { return b.Pending - a.Pending })
	f := &facts{Look: look}
	for i, p := range leaves {
		if i == fewQueues && len(leaves) > fewQueues+1 {
			f.sentence(fmt.Sprintf("Gangs wait in %d more queues.", len(leaves)-fewQueues))
			break
		}
		f.sentence(fmt.Sprintf("%s: %s (%s)", p.Name, gangsWait(p.Pending), tally(p.Reasons)))
		if p.Head != nil {
			f.paragraph("next: " + p.Head.text())
		}
	}
	return apart(f.out.String())
}

// apart puts an empty line in front of a part of the text that is not empty.
func apart(text string) string {
	if text == "" {
		return ""
	}
	return "\n" + text
}

func gangsWait(n int) string {
	if n == 1 {
		return "1 gang waits"
	}
	return fmt.Sprintf("%d gangs wait", n)
}

// tally lists how many gangs wait for which reason, most first.
func tally(reasons map[gang.Reason]int) string {
	codes := slices.Sorted(maps.Keys(reasons))
	slices.SortStableFunc(codes, func(a, b gang.Reason) int { return reasons[b] - reasons[a] })
	parts := make([]string, len(codes))
	for i, code := range codes {
		parts[i] = fmt.Sprintf("%d %s", reasons[code], code)
	}
	return strings.Join(parts, ", ")
}

func (h Head) text() string {
	text := fmt.Sprintf("%s/%s %s", h.Namespace, h.Name, waits(h.Reason))
	if h.Message != "" {
		text += ": " + h.Message
	}
	return text
}
