package training

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// ordeal is a job to which anything may happen, with a controller that may be killed anywhere, and an account of restarts
// that is kept by looking at what happened to the pods rather than at what the controller makes of it.
type ordeal struct {
	*simulation
	together bool
	limit    int32 // -1: none
	restarts int32 // that the job should have counted

	// misfortunes is what befell pods of the present attempt, the first one first; of a job that replaces pods one by one,
	// since the last look at it.
	misfortunes []misfortune

	// doomed says that the job has to fail, or to have failed.
	doomed bool

	// known says that a look at the job has come to its end since the last of its pods was created.
	known bool
}

type misfortune struct {
	pod     string
	uid     types.UID
	verdict verdict // what follows if it is the one that decides
	unseen  bool    // there is no pod to tell of it
}

func newOrdeal(t *rapid.T, outer *testing.T) *ordeal {
	o := &ordeal{together: rapid.Bool().Draw(t, "together"), limit: rapid.Int32Range(-1, 3).Draw(t, "limit")}
	// A kind that excuses some pods has an account of its own.
	like := slices.DeleteFunc(everyKind(), func(k *kind) bool { return k.excused != nil })
	k := like[rapid.IntRange(0, len(like)-1).Draw(t, "kind")]
	annotation := ""
	if o.together {
		annotation = allTogether
	}
	job := example(outer, k, "", annotation)
	if o.limit >= 0 {
		job.Policy().BackoffLimit = &o.limit
	}
	o.simulation = newSimulation(t, k, job)
	o.simulation.created, o.simulation.stored = o.created, o.stored
	return o
}

// created checks that pods of two attempts do not meet.
func (o *ordeal) created(pod *corev1.Pod) {
	o.known = false
	attempt := pod.Annotations[trainingv1.GangAttemptAnnotation]
	for _, other := range o.pods {
		if other.Annotations[trainingv1.GangAttemptAnnotation] != attempt {
			o.Fatalf("%s of attempt %q is created while there is %s of %q", pod.Name, attempt, other.Name,
				other.Annotations[trainingv1.GangAttemptAnnotation])
		}
	}
}

// stored checks what a job says against the account, when it says it.
func (o *ordeal) stored(before, after *trainingv1.JobStatus) {
	switch suspended := isTrue(after, trainingv1.JobSuspended); {
	case suspended && o.together: // nobody asks any more what befell the pods
		o.misfortunes = nil
	case suspended:
	case o.together:
		o.checkAttempt(gangAttempts(after)-gangAttempts(before), finished(after))
	default:
		for _, m := range o.misfortunes {
			pod := o.pods[m.pod]
			exists := pod != nil && pod.UID == m.uid
			if exists && m.verdict == restart && !isNoted(before, pod) {
				o.restarts++
			}
			o.doomed = o.doomed || exists && m.verdict == fail
		}
		o.misfortunes = nil
	}
	o.checkStatus(after)
}

// checkAttempt checks that an attempt has ended if and only if it had to, and takes down whether that is a restart.
func (o *ordeal) checkAttempt(ended int32, finished bool) {
	switch unhappy := len(o.misfortunes) > 0; {
	case ended > 1 || ended == 1 && !unhappy:
		o.Fatalf("%d attempts have ended after %+v", ended, o.misfortunes)
	case ended == 0 && unhappy && !finished:
		o.Fatalf("the attempt goes on after %+v", o.misfortunes)
	case unhappy && o.decisive().verdict == fail:
		o.doomed = true
		if !finished {
			o.Fatalf("the job goes on after %+v", o.misfortunes)
		}
	case ended == 1:
		if o.decisive().verdict == restart {
			o.restarts++
		}
		o.misfortunes = nil
	}
}

func (o *ordeal) checkStatus(after *trainingv1.JobStatus) {
	if after.Restarts != o.restarts {
		o.Fatalf("%d restarts are counted, want %d", after.Restarts, o.restarts)
	}
	switch over := o.limit >= 0 && after.Restarts > o.limit; {
	case over && !finished(after) && !isTrue(after, trainingv1.JobSuspended):
		o.Fatalf("the job goes on with %d restarts of %d", after.Restarts, o.limit)
	case !over && isTrue(after, trainingv1.JobFailed) && !o.doomed:
		o.Fatalf("the job has failed though none of its pods failed for good")
	}
	if finished(after) != (after.CompletionTime != nil) {
		o.Fatalf("finished: %v, completed: %v", finished(after), after.CompletionTime)
	}
}

// decisive is the misfortune of the attempt that decides what follows: the first, unless some are told of by the absence
// of a pod, which is taken for what came first.
func (o *ordeal) decisive() misfortune {
	if i := slices.IndexFunc(o.misfortunes, func(m misfortune) bool { return m.unseen }); i >= 0 {
		return o.misfortunes[i]
	}
	return o.misfortunes[0]
}

// befall notes what happens to a pod, if that matters: it does not in an attempt that is over, or to a pod that is deleted.
func (o *ordeal) befall(pod *corev1.Pod, v verdict, unseen bool) {
	if !isFormer(o.job.State(), pod) && pod.DeletionTimestamp == nil {
		o.misfortunes = append(o.misfortunes, misfortune{pod.Name, pod.UID, v, unseen})
	}
}

// pick draws a pod of which that is so; nil: there is none, or the job has finished.
func (o *ordeal) pick(t *rapid.T, which func(*corev1.Pod) bool) *corev1.Pod {
	o.now = o.now.Add(time.Second)
	var names []string
	for _, name := range o.names() {
		if which(o.pods[name]) {
			names = append(names, name)
		}
	}
	if len(names) == 0 || finished(o.job.State()) {
		return nil
	}
	return o.pods[rapid.SampledFrom(names).Draw(t, "pod")]
}

func lives(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodPending || pod.Status.Phase == corev1.PodRunning
}

func (o *ordeal) starts(t *rapid.T) {
	if pod := o.pick(t, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodPending }); pod != nil {
		o.end(pod.Name, corev1.PodRunning)
	}
}

func (o *ordeal) ends(t *rapid.T) {
	pod := o.pick(t, lives)
	if pod == nil {
		return
	}
	v := rapid.SampledFrom([]verdict{restart, restart, replace, fail}).Draw(t, "verdict")
	o.befall(pod, v, false)
	o.end(pod.Name, corev1.PodFailed, map[verdict]podOption{
		restart: exited(137, o.now), fail: exited(1, o.now),
		replace: func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(o.now),
			}}
		},
	}[v])
}

func (o *ordeal) succeeds(t *rapid.T) {
	if pod := o.pick(t, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }); pod != nil {
		o.end(pod.Name, corev1.PodSucceeded)
	}
}

// isRestarted restarts a container of a pod in place.
func (o *ordeal) isRestarted(t *rapid.T) {
	pod := o.pick(t, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil })
	if pod != nil && !isFormer(o.job.State(), pod) && !isNoted(o.job.State(), pod) {
		pod.Status.ContainerStatuses[0].RestartCount++
		o.restarts++
	}
}

// isDeleted deletes a pod as somebody does.
func (o *ordeal) isDeleted(t *rapid.T) {
	runs := func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil }
	if pod := o.pick(t, runs); pod != nil {
		o.befall(pod, replace, false)
		o.remove(pod)
	}
}

// isGone takes a pod away that is being deleted, or suddenly. What was there before anybody looked is not known to be lost.
func (o *ordeal) isGone(t *rapid.T) {
	if pod := o.pick(t, lives); pod != nil && o.known && containerRestarts(pod) == 0 {
		o.befall(pod, replace, true)
		for i := range o.misfortunes {
			o.misfortunes[i].unseen = o.misfortunes[i].unseen || o.misfortunes[i].uid == pod.UID
		}
		delete(o.pods, pod.Name)
	}
}

// look lets a controller look at the job, perhaps until it is killed, perhaps while something cannot be created.
func (o *ordeal) look(t *rapid.T) {
	o.now = o.now.Add(rapid.SampledFrom([]time.Duration{0, 2 * time.Second, longestDelay}).Draw(t, "later"))
	writes, refused := rapid.SampledFrom([]int{0, 1, 2, 3, 5, 1000, 1000, 1000}).Draw(t, "writes"), ""
	if rapid.IntRange(0, 4).Draw(t, "refusal") == 0 {
		refused = o.kind.members(o.job, nil)[0].name
	}
	if o.pass(writes, refused) && len(o.pods) == len(o.kind.members(o.job, nil)) {
		o.known = true
	}
}

func (o *ordeal) suspends(*rapid.T) {
	if finished(o.job.State()) {
		return
	}
	suspended := o.job.Policy().Suspend
	o.job.Policy().Suspend = new(suspended == nil || !*suspended)
}

// rests lets the controller do what is left to do, and checks that the job is whole.
func (o *ordeal) rests() {
	o.settle()
	o.known = true
	status := o.job.State()
	if suspended := o.job.Policy().Suspend; suspended != nil && *suspended && !finished(status) {
		if len(o.pods) > 0 {
			o.Fatalf("a suspended job has %v", o.names())
		}
		return
	}
	if finished(status) {
		return
	}
	for _, m := range o.kind.members(o.job, o.pods) {
		if m.pod == nil || m.pod.Status.Phase == corev1.PodFailed || m.pod.DeletionTimestamp != nil || isFormer(status, m.pod) {
			o.Fatalf("%s is not what it has to be: %+v", m.name, m.pod)
		}
	}
}

// TestRestartsAreCountedOnce lets anything happen to a job of any kind, whose pods are replaced together or one by one.
func TestRestartsAreCountedOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		o := newOrdeal(r, t)
		r.Repeat(map[string]func(*rapid.T){
			"look": o.look, "look again": o.look, "a pod starts": o.starts, "a pod ends": o.ends, "a pod succeeds": o.succeeds,
			"a container is restarted": o.isRestarted,
			"a pod is deleted":         o.isDeleted, "a pod is gone": o.isGone, "suspend or resume": o.suspends,
			"rest": func(*rapid.T) { o.rests() },
		})
		o.rests()
	})
}
