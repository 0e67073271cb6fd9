package demo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// barWidth is the width of the bar of the progress line.
const barWidth = 24

// Progress is the state of the cluster in one line.
func (b *Board) Progress(at time.Time) string {
	capacity, free := b.capacity(), b.free()
	filled := 0
	if capacity > 0 {
		filled = (capacity - free) * barWidth / capacity
	}
	var waiting []string
	running, done := 0, 0
	for _, job := range b.jobs {
		switch {
		case !job.finished.IsZero():
			done++
		case job.placed > 0:
			running++
		default:
			waiting = append(waiting, job.Name)
		}
	}
	line := fmt.Sprintf("%s%s %d of %d GPUs, %d running, %d done, %d waiting",
		strings.Repeat("█", filled), strings.Repeat("░", barWidth-filled), capacity-free, capacity, running, done, len(waiting))
	if len(waiting) > 0 {
		line += ": " + strings.Join(waiting, ", ")
	}
	return line
}

// Map shows every rack in one line: its nodes, and for each GPU the letter of the job that holds it.
func (b *Board) Map() []string {
	var racks []string
	rows := map[string]string{}
	for _, node := range b.nodes {
		if rows[node.Rack] == "" {
			racks = append(racks, node.Rack)
			rows[node.Rack] = fmt.Sprintf("%-8s", node.Rack)
		}
		rows[node.Rack] += " " + b.cells(node)
	}
	lines := make([]string, len(racks))
	for i, rack := range racks {
		lines[i] = rows[rack]
	}
	return lines
}

// cells writes a node's GPUs, oldest pods first.
func (b *Board) cells(node Node) string {
	var on []*podState
	for _, p := range b.pods {
		if p.holds && p.Node == node.Name {
			on = append(on, p)
		}
	}
	slices.SortFunc(on, func(a, b *podState) int {
		return cmp.Or(a.bound.Compare(b.bound), strings.Compare(a.Name, b.Name))
	})
	var cells strings.Builder
	for _, p := range on {
		cells.WriteString(strings.Repeat(string(p.job.letter), p.GPUs))
	}
	cells.WriteString(strings.Repeat("·", max(0, node.GPUs-cells.Len())))
	return cells.String()
}

// Legend says which letter of the map is which job, for the jobs that are on the map.
func (b *Board) Legend() string {
	on := map[*jobState]bool{}
	for _, p := range b.pods {
		if p.holds && p.GPUs > 0 {
			on[p.job] = true
		}
	}
	var parts []string
	for _, job := range b.jobs {
		if on[job] {
			parts = append(parts, fmt.Sprintf("%c %s", job.letter, job.Name))
		}
	}
	return strings.Join(parts, "  ")
}
