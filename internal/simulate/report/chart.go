package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// mostQueues is how many queues a chart shows, those that used most.
const mostQueues = 16

// chart draws a report in a terminal.
type chart struct {
	width   int
	unicode bool
}

// bars fill a cell from below, the first one not at all.
func (c chart) bars() []string {
	if c.unicode {
		return []string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}
	}
	return []string{" ", ".", ":", "-", "=", "+", "*", "%", "#"}
}

func (c chart) draw(b *strings.Builder, r Report) {
	if len(r.Use) == 0 {
		return
	}
	scarce := r.Use[0].Resource
	const axis = 7 // "100 % |"
	columns := c.width - axis
	values := resample(r.Series, columns, func(p Point) float64 { return ratio(p.Used[scarce], p.Capacity[scarce]) })
	fmt.Fprintf(b, "%s used, %% of what the cluster has\n", scarce)
	const rows = 8
	for row := rows - 1; row >= 0; row-- {
		label := "       "
		if row == rows-1 {
			label = "100 % |"
		} else if row == 0 {
			label = "  0 % |"
		} else {
			label = "      |"
		}
		b.WriteString(label)
		b.WriteString(strings.TrimRight(c.cells(values, row, rows), " "))
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "      +%s\n", strings.Repeat("-", len(values)))
	end := "+" + span(r.MakespanSeconds)
	fmt.Fprintf(b, "       0s%s%s\n\n", strings.Repeat(" ", max(len(values)-2-len(end), 1)), end)
	c.fairness(b, r)
}

// cells draws one of so many rows; values are from 0 to 1.
func (c chart) cells(values []float64, row, rows int) string {
	bars := c.bars()
	var line strings.Builder
	for _, v := range values {
		eighths := int(v*float64(rows*8)+0.5) - row*8
		line.WriteString(bars[min(max(eighths, 0), 8)])
	}
	return line.String()
}

// fairness draws a line for each queue, and the index over all.
func (c chart) fairness(b *strings.Builder, r Report) {
	order := make([]int, len(r.Series.Queues))
	for q := range order {
		order[q] = q
	}
	slices.SortStableFunc(order, func(x, y int) int {
		switch a, b := r.Fairness.Queues[x].Share, r.Fairness.Queues[y].Share; {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	left := len(order) - min(len(order), mostQueues)
	order = order[:len(order)-left]
	names := utf8.RuneCountInString("fairness (Jain)")
	for _, q := range order {
		names = max(names, utf8.RuneCountInString(r.Series.Queues[q]))
	}
	columns := max(c.width-names-16, 10)
	fmt.Fprintf(b, "%-*s  %-*s  share  fair\n", names, "dominant share", columns, "over time, a full cell is all of the cluster")
	for _, q := range order {
		values := resample(r.Series, columns, func(p Point) float64 { return p.Queues[q].Share })
		of := r.Fairness.Queues[q]
		fmt.Fprintf(b, "%-*s  %s  %4.0f%%  %3.0f%%\n", names, r.Series.Queues[q], padded(c.cells(values, 0, 1), columns), 100*of.Share, 100*of.Fair)
	}
	if left > 0 {
		fmt.Fprintf(b, "and %d more queues\n", left)
	}
	if r.Fairness.MeanJain == nil {
		return
	}
	values := resample(r.Series, columns, func(p Point) float64 {
		if p.Jain == nil {
			return 0
		}
		return *p.Jain
	})
	fmt.Fprintf(b, "%-*s  %s  mean %.3f\n", names, "fairness (Jain)", padded(c.cells(values, 0, 1), columns), *r.Fairness.MeanJain)
	fmt.Fprintf(b, "  among queues that had gangs waiting; 1 is perfectly fair, the worst interval had %.3f\n", *r.Fairness.WorstJain)
}

func padded(s string, columns int) string {
	return s + strings.Repeat(" ", max(columns-utf8.RuneCountInString(s), 0))
}

// resample gives at most so many values, means over the points that fall together.
func resample(s Series, columns int, value func(Point) float64) []float64 {
	columns = min(max(columns, 1), len(s.Points))
	values := make([]float64, columns)
	for i := range values {
		low, high := i*len(s.Points)/columns, (i+1)*len(s.Points)/columns
		for _, p := range s.Points[low:high] {
			values[i] += value(p) / float64(high-low)
		}
	}
	return values
}
