package demo

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muster-scheduling/muster/internal/witness"
)

// Table is the account of every job, as the last thing that is shown.
func (b *Board) Table(end time.Time) string {
	rows := [][]string{{"JOB", "KIND", "PODS", "GPUS", "WAITED", "STARTED WITHIN", "RAN", "TIMES PARTIALLY STARTED", "RESULT"}}
	for i, v := range b.verdicts(end) {
		job := b.jobs[i]
		pods := fmt.Sprint(job.Pods)
		if job.Min < job.Pods {
			pods = fmt.Sprintf("%d–%d", job.Min, job.Pods)
		}
		waited, within, ran := seconds(end.Sub(job.applied)), "–", "–"
		if !job.whole.IsZero() {
			waited, within = seconds(job.first.Sub(job.applied)), millis(witness.LongestBurst(v))
			if !job.finished.IsZero() {
				ran = seconds(job.finished.Sub(job.whole))
			}
		}
		partly := fmt.Sprint(partialStarts(v))
		rows = append(rows, []string{job.Name, job.Kind, pods, fmt.Sprint(job.GPUs), waited, within, ran, partly, job.result()})
	}
	return align(rows)
}

func (j *jobState) result() string {
	switch {
	case j.finished.IsZero() && j.whole.IsZero():
		return "never started"
	case j.finished.IsZero():
		return "not ended"
	case j.succeeded:
		return "Succeeded"
	default:
		return "Failed"
	}
}

// Fault is nil if every job succeeded and none was ever partly started.
func (b *Board) Fault(end time.Time) error {
	var faults []error
	for i, v := range b.verdicts(end) {
		job := b.jobs[i]
		if partialStarts(v) > 0 {
			faults = append(faults, fmt.Errorf("job %s was partly started, for %s", job.Name, seconds(witness.LongestBurst(v))))
		}
		if !job.succeeded {
			faults = append(faults, fmt.Errorf("job %s has not succeeded: %s", job.Name, job.result()))
		}
	}
	return errors.Join(faults...)
}

func (b *Board) verdicts(end time.Time) []witness.Verdict {
	gangs := make([]witness.Gang, len(b.jobs))
	for i, job := range b.jobs {
		gangs[i] = witness.Gang{Name: job.Name, Min: job.Min}
	}
	return witness.Judge(gangs, b.seen, end)
}

// partialStarts counts how often a gang held some of its pods' places, but too few, for longer than its binding takes,
// or was left so in the end.
func partialStarts(v witness.Verdict) int {
	n := 0
	for _, burst := range v.Bursts {
		if burst > partialLimit {
			n++
		}
	}
	if v.Stuck {
		n = max(n, 1)
	}
	return n
}

// align pads the columns: the first two to the left, the others to the right, the last as it is.
func align(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-len([]rune(c)))
			switch {
			case i == len(row)-1:
				b.WriteString(c)
			case i < 2:
				b.WriteString(c + pad + "  ")
			default:
				b.WriteString(pad + c + "  ")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
