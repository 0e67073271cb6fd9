package training

import (
	"fmt"
	"slices"
	"strings"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// leading are the members that say how the job does: those of the leading type, else the workers, else all.
func (k *kind) leading(job trainingv1.Job, members []member) (leading []member, leader bool) {
	if t, ok := k.leader(job); ok {
		return ofType(members, t), true
	}
	if workers := ofType(members, k.worker); len(workers) > 0 {
		return workers, false
	}
	return members, false
}

func (k *kind) isRunning(job trainingv1.Job, members []member) bool {
	if k.running != nil {
		return k.running(job, members)
	}
	leading, _ := k.leading(job, members)
	return slices.ContainsFunc(leading, member.active)
}

func (k *kind) hasSucceeded(job trainingv1.Job, members []member) bool {
	leading, leader := k.leading(job, members)
	if leader || k.succeeded == nil {
		return allMembers(leading, member.succeeded)
	}
	return k.succeeded(job, leading)
}

// failures are the failed pods of a job by what follows from them.
type failures struct {
	final    []member // the job fails
	restart  []member // replaced, counted
	replaced []member // replaced, not counted
}

// failures sorts the failed members. A final failure that the kind tolerates is left out, unless no member of the type is
// left to go on.
func (k *kind) failures(job trainingv1.Job, members []member) failures {
	var f failures
	for _, m := range members {
		if !m.failed() {
			continue
		}
		if k.excused != nil && k.excused(m, members) {
			f.replaced = append(f.replaced, m)
			continue
		}
		switch judge(m.pod, k.mainOf(m.pod), m.spec.RestartPolicy) {
		case restart:
			f.restart = append(f.restart, m)
		case replace:
			f.replaced = append(f.replaced, m)
		case fail:
			tolerated := k.tolerates != nil && k.tolerates(job, m.rtype)
			if !tolerated || allMembers(ofType(members, m.rtype), member.failed) {
				f.final = append(f.final, m)
			}
		}
	}
	return f
}

// countByType says how many members of each type there are, for example "2 Worker and 1 PS".
func (k *kind) countByType(members []member) string {
	var parts []string
	for _, t := range k.types {
		if n := len(ofType(members, t)); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, t))
		}
	}
	return strings.Join(parts, " and ")
}
