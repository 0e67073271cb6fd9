package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/internal/witness"
)

// partialLimit is for how long a gang may be partly bound: far longer than the binding of a few pods takes.
const partialLimit = 2 * time.Second

// Node is a node of the cluster, with its GPUs.
type Node struct {
	Name, Rack string
	GPUs       int
}

// PodSeen is the state in which a pod was seen.
type PodSeen struct {
	UID, Name, Job string
	// Node is where the pod is bound, empty if it is not.
	Node  string
	GPUs  int
	Phase corev1.PodPhase
	// Waits is why the pod cannot be scheduled, as its condition says.
	Waits string
	// ExitCode is what a pod that failed ended with.
	ExitCode int32
	// Gone is true when the pod was deleted.
	Gone bool
}

// Line is one event of the story.
type Line struct {
	// At is the time since the board was made.
	At        time.Duration
	Verb, Job string
	Text      string
}

// Board knows what is going on, and tells it as a story. It has no clock: every method is told the time, and the
// methods that return lines return what there is to tell then. It may not be used concurrently.
type Board struct {
	begin time.Time
	nodes []Node
	jobs  []*jobState
	pods  map[string]*podState
	seen  []witness.Event
}

type jobState struct {
	Job
	// letter stands for the job on the map.
	letter rune
	// applied, first, whole and finished are the moments at which the job was applied, its first pod was bound, its
	// minimum was bound, and it ended.
	applied, first, whole, finished time.Time
	lastBound                       time.Time
	placed, told                    int
	succeeded                       bool
	waits                           string
	toldWait, toldPartial           bool
	lost                            []string
}

type podState struct {
	PodSeen
	job *jobState
	// bound is when the pod was first seen with a node. holds says that it has its GPUs, ended that it succeeded or is
	// lost, and is not listened to any more.
	bound              time.Time
	holds, ended, lost bool
}

// NewBoard makes a board on which nothing has happened yet.
func NewBoard(begin time.Time, nodes []Node) *Board {
	return &Board{begin: begin, nodes: nodes, pods: map[string]*podState{}}
}

// Apply notes that a job was applied.
func (b *Board) Apply(at time.Time, job Job) []Line {
	state := &jobState{Job: job, applied: at, letter: 'A' + rune(len(b.jobs))}
	b.jobs = append(b.jobs, state)
	text := fmt.Sprintf("%s: %s", plural(job.Pods, "pod"), job.Shape)
	if job.Min < job.Pods {
		text += fmt.Sprintf("; elastic, %d are enough to start", job.Min)
	}
	return []Line{b.line(at, "apply", state, text)}
}

// Pod notes the state of a pod. Pods of jobs that were not applied are ignored.
func (b *Board) Pod(at time.Time, seen PodSeen) []Line {
	job := b.job(seen.Job)
	if job == nil {
		return nil
	}
	p := b.pods[seen.UID]
	if p == nil {
		p = &podState{job: job}
		b.pods[seen.UID] = p
	}
	p.PodSeen = seen
	if seen.Waits != "" && job.whole.IsZero() {
		job.waits = seen.Waits
	}
	if seen.Node != "" && p.bound.IsZero() {
		b.bound(at, p)
	}
	switch {
	case p.bound.IsZero() || p.ended:
	case seen.Phase == corev1.PodSucceeded:
		p.ended = true
		b.witness(at, job, seen.UID, witness.Succeeded)
	case seen.Gone || seen.Phase == corev1.PodFailed:
		p.ended = true
		return b.lost(at, p)
	}
	if seen.Gone || seen.Phase == corev1.PodSucceeded || seen.Phase == corev1.PodFailed {
		p.holds = false
	}
	return nil
}

func (b *Board) bound(at time.Time, p *podState) {
	p.bound, p.holds = at, true
	p.job.placed++
	p.job.lastBound = at
	if p.job.first.IsZero() {
		p.job.first = at
	}
	if p.job.placed >= p.job.Min && p.job.whole.IsZero() {
		p.job.whole = at
	}
	b.witness(at, p.job, p.UID, witness.Bound)
}

// lost notes that a pod is no member any more.
func (b *Board) lost(at time.Time, p *podState) []Line {
	p.holds, p.lost = false, true
	b.witness(at, p.job, p.UID, witness.Gone)
	if !p.job.finished.IsZero() {
		return nil
	}
	p.job.placed--
	if p.job.placed == 0 && p.job.whole.IsZero() {
		p.job.first = time.Time{} // all was given back: the next binding is a new start
	}
	p.job.told = min(p.job.told, p.job.placed)
	name := strings.TrimPrefix(p.Name, p.job.Name+"-")
	p.job.lost = append(p.job.lost, name)
	text := fmt.Sprintf("%s was deleted", name)
	if p.Phase == corev1.PodFailed {
		text = fmt.Sprintf("%s failed with exit code %d", name, p.ExitCode)
	}
	return []Line{b.line(at, "lose", p.job, text+"; the others go on, and a new one is placed")}
}

// Finish notes that a job has ended, well or not.
func (b *Board) Finish(at time.Time, name string, succeeded bool, why string) []Line {
	job := b.job(name)
	if job == nil || !job.finished.IsZero() {
		return nil
	}
	job.finished, job.succeeded = at, succeeded
	b.witness(at, job, "", witness.Ended)
	if !succeeded {
		return []Line{b.line(at, "FAIL", job, why)}
	}
	return []Line{b.line(at, "finish", job,
		fmt.Sprintf("ran %s; %s free again", seconds(at.Sub(job.whole)), plural(b.used(job), "GPU")))}
}

func (b *Board) line(at time.Time, verb string, job *jobState, text string) Line {
	return Line{At: at.Sub(b.begin), Verb: verb, Job: job.Name, Text: text}
}

func (b *Board) witness(at time.Time, job *jobState, uid string, kind witness.Kind) {
	b.seen = append(b.seen, witness.Event{At: at, Gang: job.Name, Pod: uid, Kind: kind})
}

func (b *Board) job(name string) *jobState {
	i := slices.IndexFunc(b.jobs, func(j *jobState) bool { return j.Name == name })
	if i < 0 {
		return nil
	}
	return b.jobs[i]
}

// used is how many GPUs the members of a job hold, or held until they succeeded.
func (b *Board) used(job *jobState) int {
	n := 0
	for _, p := range b.pods {
		if p.job == job && !p.bound.IsZero() && !p.lost {
			n += p.GPUs
		}
	}
	return n
}

func (b *Board) capacity() int {
	n := 0
	for _, node := range b.nodes {
		n += node.GPUs
	}
	return n
}

func (b *Board) free() int {
	n := b.capacity()
	for _, p := range b.pods {
		if p.holds {
			n -= p.GPUs
		}
	}
	return n
}

func (b *Board) nodesOf(job *jobState) int {
	nodes := map[string]bool{}
	for _, p := range b.pods {
		if p.job == job && p.holds {
			nodes[p.Node] = true
		}
	}
	return len(nodes)
}

// Done says that every job that was applied has ended.
func (b *Board) Done() bool {
	return !slices.ContainsFunc(b.jobs, func(j *jobState) bool { return j.finished.IsZero() })
}
