package demo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/internal/witness"
)

const (
	// partialLimit is for how long a gang may be partly bound: far longer than the binding of a few pods takes.
	partialLimit = 2 * time.Second
	// burstOver is when the binding of a gang is taken to be over, and is told in one line.
	burstOver = 300 * time.Millisecond
	// patience is when a job that waits is told of, even if nobody has said yet why it does.
	patience = 5 * time.Second
)

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

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// millis writes a time that is seen through a watch, in which less than a millisecond means nothing.
func millis(d time.Duration) string { return fmt.Sprintf("%d ms", max(1, d.Milliseconds())) }
