package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"
)

// CSV writes the series: for each interval one line for the whole cluster, whose queue is empty, and one for each queue.
// `seconds` counts from the start; share and fair_share are dominant shares from 0 to 1; jain is empty where fewer than two
// queues waited. After these there is one column for each resource that was used, in the units of the report.
func CSV(w io.Writer, r Report) error {
	out := csv.NewWriter(w)
	header := []string{"time", "seconds", "queue", "waiting", "share", "fair_share", "jain"}
	for _, use := range r.Use {
		header = append(header, use.Resource)
	}
	rows := [][]string{header}
	for i, p := range r.Series.Points {
		at := []string{p.At.UTC().Format(time.RFC3339), number(float64(i) * r.Series.IntervalSeconds)}
		whole, jain := 0.0, ""
		for name, used := range p.Used {
			whole = max(whole, ratio(used, p.Capacity[name]))
		}
		if p.Jain != nil {
			jain = number(*p.Jain)
		}
		rows = append(rows, row(at, r.Use, "", p.Waiting, whole, 1, jain, p.Used))
		for q, queue := range p.Queues {
			rows = append(rows, row(at, r.Use, r.Series.Queues[q], queue.Waiting, queue.Share, queue.Fair, "", queue.Used))
		}
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing the CSV: %w", err)
	}
	return nil
}

func row(at []string, resources []Use, queue string, waiting, share, fair float64, jain string, used map[string]float64) []string {
	fields := append([]string{}, at...)
	fields = append(fields, queue, number(waiting), number(share), number(fair), jain)
	for _, use := range resources {
		fields = append(fields, number(used[use.Resource]))
	}
	return fields
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
