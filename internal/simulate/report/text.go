package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// Text writes a report for a terminal of the given width in columns; without unicode only ASCII is used.
func Text(w io.Writer, r Report, width int, unicode bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d gangs, %d started, %d finished, in %s\n", r.Gangs, r.Started, r.Finished, span(r.MakespanSeconds))
	for _, p := range r.Pending {
		fmt.Fprintf(&b, "  %d wait at the end: %s (%s)\n", p.Gangs, p.Reason, p.Message)
	}
	b.WriteString("\n")
	if err := waitingTable(&b, r); err != nil {
		return err
	}
	b.WriteString("\n")
	for _, use := range r.Use {
		fmt.Fprintf(&b, "%s used: %.1f %% on average\n", use.Resource, 100*use.Share)
	}
	if e := r.Evictions; e.Pods > 0 {
		fmt.Fprintf(&b, "evicted: %d pods, %d gangs among them; GPU hours lost %.1f, done %.1f", e.Pods, e.Gangs, e.LostGPUSeconds/3600, e.DoneGPUSeconds/3600)
		fmt.Fprintf(&b, "; evicted per asked %.2f, at worst %.2f\n", e.Ratio, e.WorstRatio)
	} else {
		b.WriteString("evicted: nothing\n")
	}
	b.WriteString("\n")
	chart{width: max(width, 40), unicode: unicode}.draw(&b, r)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func waitingTable(b *strings.Builder, r Report) error {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(w Waiting) {
		if w.Started == 0 {
			fmt.Fprintf(table, "%s\t%d\t0\t-\t-\t-\t-\t-\t\n", w.Of, w.Gangs)
			return
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t\n", w.Of, w.Gangs, w.Started, span(w.Mean), span(w.P50), span(w.P90), span(w.P99), span(w.Max))
	}
	fmt.Fprintln(table, "waited for\tgangs\tstarted\tmean\tp50\tp90\tp99\tmax\t")
	line(r.Waiting)
	for _, w := range r.WaitingByQueue {
		line(w)
	}
	for _, w := range r.WaitingBySize {
		line(w)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the table of waiting times: %w", err)
	}
	return nil
}

// span writes seconds as a person says them: 45s, 12m30s, 3h05m, 12d4h.
func span(seconds float64) string {
	d := time.Duration(math.Round(seconds)) * time.Second
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}
