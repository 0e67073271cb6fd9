package demo

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

const (
	// burstOver is when the binding of a gang is taken to be over, and is told in one line.
	burstOver = 300 * time.Millisecond
	// patience is when a job that waits is told of, even if nobody has said yet why it does.
	patience = 5 * time.Second
)

// Tick returns what is told some time after it happened: a start once its binding is over, a wait once its reason is
// known, and a gang that is partly bound for too long.
func (b *Board) Tick(at time.Time) []Line {
	var lines []Line
	for _, job := range b.jobs {
		if !job.finished.IsZero() && job.told > 0 {
			continue
		}
		if job.placed > job.told && !job.whole.IsZero() && (job.placed == job.Pods || at.Sub(job.lastBound) >= burstOver) {
			lines = append(lines, b.started(at, job))
		}
		waited := at.Sub(job.applied)
		if job.placed == 0 && job.whole.IsZero() && !job.toldWait && (job.waits != "" || waited >= patience) {
			job.toldWait = true
			lines = append(lines, b.line(at, "wait", job, b.wait(job)))
		}
		if job.whole.IsZero() && job.placed > 0 && at.Sub(job.first) > partialLimit && !job.toldPartial {
			job.toldPartial = true
			lines = append(lines, b.line(at, "PARTIAL", job, fmt.Sprintf("%d of %s hold their nodes and wait for the others", job.placed, plural(job.Pods, "pod"))))
		}
	}
	return lines
}

// started tells that a job has its minimum, or has more pods than it was last told to have.
func (b *Board) started(at time.Time, job *jobState) Line {
	before := job.told
	job.told = job.placed
	on := "on " + plural(b.nodesOf(job), "node")
	if before == 0 && len(job.lost) == 0 {
		text := fmt.Sprintf("all %s %s, bound within %s", plural(job.placed, "pod"), on, millis(job.whole.Sub(job.first)))
		if job.placed == 1 {
			text = "its only pod " + on
		}
		if job.placed < job.Pods {
			text = fmt.Sprintf("%d of %d pods %s, bound within %s", job.placed, job.Pods, on, millis(job.whole.Sub(job.first)))
		}
		if waited := job.first.Sub(job.applied); waited > time.Second {
			text += ", after waiting " + seconds(waited)
		}
		return b.line(at, "start", job, text)
	}
	if len(job.lost) > 0 {
		text := strings.Join(job.lost, ", ") + " is back"
		job.lost = nil
		return b.line(at, "heal", job, fmt.Sprintf("%s: %d of %d pods %s", text, job.placed, job.Pods, on))
	}
	return b.line(at, "grow", job, fmt.Sprintf("%d more found room: %d of %d pods %s", job.placed-before, job.placed, job.Pods, on))
}

func (b *Board) wait(job *jobState) string {
	// All pods of a job that can start with some of them are alike.
	need := fmt.Sprintf("needs %s, %d of %d free", plural(job.GPUs*job.Min/job.Pods, "GPU"), b.free(), b.capacity())
	if job.waits == "" {
		return need
	}
	return need + ": " + firstReason(job.waits)
}

// nodesAvailable is how kube-scheduler begins what it says of a pod that fits nowhere.
var nodesAvailable = regexp.MustCompile(`^\d+/\d+ nodes are available: `)

// firstReason is the first sentence of why a pod cannot be scheduled. The rest counts nodes and is for kubectl describe.
func firstReason(message string) string {
	sentence, _, _ := strings.Cut(nodesAvailable.ReplaceAllString(message, ""), ". ")
	return strings.TrimSuffix(sentence, ".")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// millis writes a time that is seen through a watch, in which less than a millisecond means nothing.
func millis(d time.Duration) string { return fmt.Sprintf("%d ms", max(1, d.Milliseconds())) }
