package training

import (
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// A job that asks for it replaces all of its pods when one is to be replaced: what meets at the start has to start anew as
// a whole. Each time is an attempt, counted in status.restartedGang. An attempt is over once the status says so; from then on
// its pods are deleted, no matter what becomes of them, and none is created before the last of them is gone. Since pods
// say which attempt they belong to, whoever reads the status and the pods can go on with that.

// restartsAll says whether all pods of the job are replaced when one is.
func restartsAll(job trainingv1.Job) bool {
	return job.GetAnnotations()[schedulingv1alpha1.RestartAnnotation] == schedulingv1alpha1.RestartAll
}

// gangAttempts is how often all pods have been replaced together.
func gangAttempts(status *trainingv1.JobStatus) int32 {
	if status.RestartedGang == nil {
		return 0
	}
	return status.RestartedGang.Attempt
}

// isFormer says whether a pod belongs to an attempt that is over.
func isFormer(status *trainingv1.JobStatus, pod *corev1.Pod) bool {
	attempts := gangAttempts(status)
	if attempts == 0 {
		return false
	}
	n, err := strconv.ParseInt(pod.Annotations[trainingv1.GangAttemptAnnotation], 10, 32)
	return err != nil || int32(n) < attempts // the first attempt has no number
}

// formerPods are those of attempts that are over, by name.
func (p *pass) formerPods() []*corev1.Pod {
	if gangAttempts(p.status) == 0 {
		return nil
	}
	return p.podsThat(func(pod *corev1.Pod) bool { return isFormer(p.status, pod) })
}

// endAttempt ends the attempt if a pod that is to be replaced failed, or one was lost, and returns those pods. The first of
// all that ended decides what follows, and whether it counts: the others rarely survive that they lose it.
func (p *pass) endAttempt(failed *failures) []member {
	lost := p.lost()
	causes := slices.Concat(lost, failed.replaced, failed.restart)
	if len(causes) == 0 {
		return nil
	}
	slices.SortStableFunc(causes, func(a, b member) int { return endOrLoss(a).Compare(endOrLoss(b)) })
	for _, m := range failed.final {
		if endOrLoss(m).Before(endOrLoss(causes[0])) {
			return nil // the job fails
		}
	}
	for _, m := range lost {
		if m.pod == nil {
			p.vanished = append(p.vanished, m.name)
		}
	}
	first := causes[0]
	p.nextAttempt(contains(failed.restart, first.name) && !isNoted(p.status, first.pod))
	*failed = failures{}
	return causes
}

// lost are the pods that this attempt had and that somebody deletes or has deleted.
func (p *pass) lost() []member {
	var created map[trainingv1.ReplicaType]int32
	if gang := p.status.RestartedGang; gang != nil {
		created = gang.Created
	}
	var lost []member
	for _, m := range p.members {
		had := m.index < created[m.rtype]
		gone := m.pod == nil
		goes := !gone && m.pod.DeletionTimestamp != nil && !m.former
		if had && (gone || goes) || goes && len(created) == 0 {
			lost = append(lost, m)
		}
	}
	return lost
}

// endOrLoss is when the cluster, or somebody, began to take a pod away, else when it failed; zero if it has vanished.
func endOrLoss(m member) time.Time {
	if m.pod == nil {
		return time.Time{}
	}
	var times []time.Time
	if c := disruption(m.pod); c != nil {
		times = append(times, c.LastTransitionTime.Time)
	}
	if at := m.pod.DeletionTimestamp; at != nil {
		grace := ptr.Deref(m.pod.DeletionGracePeriodSeconds, 0)
		times = append(times, at.Add(-time.Duration(grace)*time.Second))
	}
	if len(times) == 0 {
		end, _ := endOf(m.pod)
		return end
	}
	return slices.MinFunc(times, time.Time.Compare)
}

// nextAttempt makes all pods that exist those of an attempt that is over, and with counted that is a restart.
func (p *pass) nextAttempt(counted bool) {
	if p.status.RestartedGang == nil {
		p.status.RestartedGang = &trainingv1.RestartedGang{}
	}
	gang := p.status.RestartedGang
	for i, m := range p.members {
		if m.pod == nil {
			continue
		}
		if !m.former && !isNoted(p.status, m.pod) {
			gang.Restarts += containerRestarts(m.pod)
		}
		p.members[i].former = true
	}
	if counted {
		gang.Restarts++
	}
	gang.Attempt++
	gang.Created = nil
}

// suspendGang ends the attempt of a job that is suspended, so that the next one waits for its pods to be gone.
func (p *pass) suspendGang() {
	has := func(m member) bool { return m.pod != nil && !m.former }
	switch {
	case !restartsAll(p.job):
	case slices.ContainsFunc(p.members, has):
		p.nextAttempt(false)
	case p.status.RestartedGang != nil:
		p.status.RestartedGang.Created = nil
	}
}

// removeFormer deletes the pods of attempts that are over, once the delay after the failure is over too.
func (p *pass) removeFormer() {
	former := p.formerPods()
	if len(former) == 0 {
		return
	}
	if wait := p.formerDelay(); wait > 0 {
		p.lookAfter(wait)
		return
	}
	for _, pod := range former {
		p.remove = append(p.remove, pod)
	}
}

// formerDelay is how long the pods of an attempt that is over are left alone. What the cluster did is put right at once, and
// what has begun goes on.
func (p *pass) formerDelay() time.Duration {
	var first time.Time
	var ran time.Duration
	for _, m := range p.members {
		if m.pod == nil || !m.former {
			continue
		}
		if m.pod.DeletionTimestamp != nil {
			return 0
		}
		if m.pod.Status.Phase != corev1.PodFailed {
			continue
		}
		switch judge(m.pod, p.mainOf(m.pod), m.spec.RestartPolicy) {
		case replace:
			return 0
		case restart:
			if end, lasted := endOf(m.pod); first.IsZero() || end.Before(first) {
				first, ran = end, lasted
			}
		}
	}
	if first.IsZero() {
		return 0
	}
	return first.Add(restartDelay(p.status.RestartedGang.Restarts-1, ran)).Sub(p.now)
}

// trackGang records which pods the attempt has had, and what that is once those being made exist.
func (p *pass) trackGang() {
	switch gang := p.status.RestartedGang; {
	case !restartsAll(p.job):
		if gang != nil {
			gang.Created = nil
		}
		return
	case len(p.formerPods()) > 0:
		return
	case gang == nil:
		p.status.RestartedGang = &trainingv1.RestartedGang{}
	}
	making := map[string]bool{}
	for _, object := range p.create {
		if pod, ok := object.(*corev1.Pod); ok {
			making[pod.Name] = true
		}
	}
	gang := p.status.RestartedGang
	exists := func(m member) bool { return m.pod != nil && m.pod.DeletionTimestamp == nil }
	p.whole = p.countCreated(func(m member) bool { return exists(m) || making[m.name] })
	gang.Created = p.countCreated(exists)
}

// countCreated is how many members of each type have existed: those on record, and those after them that do now.
func (p *pass) countCreated(exists func(member) bool) map[trainingv1.ReplicaType]int32 {
	counts := map[trainingv1.ReplicaType]int32{}
	for _, m := range p.members { // in the order of their indices
		n := counts[m.rtype]
		if m.index == n && (n < p.status.RestartedGang.Created[m.rtype] || exists(m)) {
			counts[m.rtype]++
		}
	}
	return counts
}

// contains says whether one of the members has that name.
func contains(members []member, name string) bool {
	return slices.ContainsFunc(members, func(m member) bool { return m.name == name })
}
