package podpolicy

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// Namespace is what matters of the namespace that a pod is created in. A pod that is being created may not name it itself.
type Namespace struct {
	Name   string
	Labels map[string]string
}

// Surroundings is what the outcome depends on, the pod and the policies aside.
type Surroundings struct {
	Namespace Namespace

	// PriorityClasses are the names of the PriorityClasses that exist: the API server refuses pods that name another.
	PriorityClasses sets.Set[string]

	// QueueClasses are the priority classes that Queues name in their label v1alpha1.PriorityClassLabel, by the Queue's name.
	QueueClasses map[string]string

	// Workload is what was found out about what the pod belongs to; nil where nobody has looked. Result.Wants says whether
	// looking is worth it.
	Workload *Workload

	// Firm is what was found out about the firm pods of the pod's user; nil where nobody has looked.
	Firm *FirmUse
}

// Workload is what the owners of a pod tell about it.
type Workload struct {
	Queue         string          // of the nearest owner that has v1alpha1.QueueLabel; "" for none
	PriorityClass string          // of the nearest owner that has v1alpha1.PriorityClassLabel; "" for none
	Gang          *Gang           // nil where the workload is no gang
	Ranks         []corev1.EnvVar // where the pod's rank and its master's address are clear
}

// Gang is the gang that a workload's pods form.
type Gang struct {
	PodGroup string // the name of its PodGroup, in the pod's namespace
	Kind     string // the workload's kind, in lower case
	Workload string // what v1alpha1.WorkloadAnnotation says
	Role     string // the pod's role, "" where all members are alike
}

// FirmUse is what a pod's user has in firm pods.
type FirmUse struct {
	User string // as in v1alpha1.FirmForAnnotation; "" for all of the namespace
	Pods int32  // how many the user has in the namespace, this one aside
	Fits bool   // the guarantee of the pod's queue has room for the pod
}

// Wants is what policies want to know about a pod that only others can tell.
type Wants struct {
	Workload bool // Surroundings.Workload
	Firm     bool // Surroundings.Firm
}

// Change is one thing that was changed on a pod.
type Change struct {
	Policy string `json:"policy"`         // the name of the policy that wanted it
	Field  string `json:"field"`          // such as spec.schedulerName, label KEY, annotation KEY, env NAME, toleration, volume
	From   string `json:"from,omitempty"` // the value before; "" where there was none
	To     string `json:"to,omitempty"`   // the value now

	// Containers is the number of containers that it was changed in; 0 where it is of the pod itself.
	Containers int `json:"containers,omitempty"`
}

// Result is what Apply made of a pod.
type Result struct {
	// Pod is the pod as it is to be: the one that was given if nothing changes, else a copy, with the annotation
	// v1alpha1.PodPoliciesAnnotation.
	Pod *corev1.Pod

	// Changes are what is different, in a fixed order.
	Changes []Change

	// Problems are the policies that were left out, or followed in part, for this pod, in the order of the policies.
	Problems []*Problem

	// Wants is what policies that match the pod would use of its surroundings, whether that was given or not. Once it was given,
	// others may match, and want more.
	Wants Wants
}

// Apply gives the pod what the policies want for it; they have to be in the order of Sort. It never fails: what cannot be
// followed is left out, and told in Problems. See the package's comment for why it is idempotent. Pods that opted out, and mirrors
// of static pods, which the kubelet runs whatever the API server holds, are left as they are. When the context ends, expressions
// that are in a loop fail; all else is still done.
func Apply(ctx context.Context, pod *corev1.Pod, around Surroundings, policies []*Policy) Result {
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror || optedOut(pod, around.Namespace) {
		return Result{Pod: pod}
	}
	bare, before := withoutRecord(pod)
	chosen, told := make([]bool, len(policies)), sets.New(before.Policies...)
	for i, p := range policies {
		chosen[i] = told.Has(p.name) && p.picksNamespace(around.Namespace)
	}
	now, changes, problems := settle(bare, around, policies, chosen)
	failed := make([]*Problem, len(policies)) // of those that could not say, when they were asked last
	differ, first := []string(nil), true
	for first || len(differ) > 0 {
		s := &subject{pod: now, namespace: around.Namespace}
		choose(ctx, s, policies, chosen, failed, func(p *Policy) bool {
			return first || p.expression == nil || !p.podSelector.Empty() || p.expression.reads.anyOf(differ)
		})
		now, changes, problems = settle(bare, around, policies, chosen)
		differ, first = differences(s.pod, now), false
	}
	problems = append(problems, slices.DeleteFunc(failed, func(p *Problem) bool { return p == nil })...)
	result := Result{Pod: pod, Changes: changes, Problems: inOrder(problems, policies), Wants: wantsOf(policies, chosen)}
	if len(changes) == 0 {
		return result
	}
	writeRecord(now, before, names(policies, chosen), changes)
	if !annotationsFit(now) {
		return Result{Pod: pod, Problems: tooLarge(changes), Wants: result.Wants}
	}
	result.Pod = now
	return result
}

// optedOut says whether policies are to be kept off the pod. What the pod says goes before what its namespace says.
func optedOut(pod *corev1.Pod, namespace Namespace) bool {
	switch pod.Labels[v1alpha1.SkipPodPoliciesLabel] {
	case "true":
		return true
	case "false":
		return false
	}
	return namespace.Labels[v1alpha1.SkipPodPoliciesLabel] == "true"
}

// choose adds to chosen the policies that match, of those that are to be asked, and notes in failed those that could not say.
func choose(ctx context.Context, s *subject, policies []*Policy, chosen []bool, failed []*Problem, ask func(*Policy) bool) {
	for i, p := range policies {
		if chosen[i] || !ask(p) {
			continue
		}
		matches, err := p.matches(ctx, s)
		chosen[i], failed[i] = matches, nil
		if err != nil {
			failed[i] = &Problem{Policy: p.name, Reason: v1alpha1.ReasonExpressionFailed, Err: err}
		}
	}
}

// settle returns what the chosen policies make of the pod, which is left as it is.
func settle(pod *corev1.Pod, around Surroundings, policies []*Policy, chosen []bool) (*corev1.Pod, []Change, []*Problem) {
	if !slices.Contains(chosen, true) {
		return pod, nil, nil
	}
	wanted := newWishes(pod, around)
	for i, p := range policies {
		if chosen[i] {
			wanted.addQueue(p)
		}
	}
	wanted.queue = wanted.queueOf(pod)
	for i, p := range policies {
		if chosen[i] {
			wanted.add(p)
		}
	}
	now := pod.DeepCopy()
	return now, wanted.grant(now), wanted.problems
}

// wantsOf is what the chosen policies want to know.
func wantsOf(policies []*Policy, chosen []bool) Wants {
	var wants Wants
	for i, p := range policies {
		if !chosen[i] {
			continue
		}
		inherits := p.set.Queue != nil && p.set.Queue.Inherit || p.set.PriorityClassName != nil && p.set.PriorityClassName.Inherit
		wants.Workload = wants.Workload || inherits || p.set.Gang != "" || p.set.Ranks != ""
		wants.Firm = wants.Firm || p.set.Firm != nil
	}
	return wants
}

func names(policies []*Policy, chosen []bool) []string {
	var names []string
	for i, p := range policies {
		if chosen[i] {
			names = append(names, p.name)
		}
	}
	return names
}

// inOrder sorts problems by the place of their policies.
func inOrder(problems []*Problem, policies []*Policy) []*Problem {
	if len(problems) < 2 {
		return problems
	}
	place := make(map[string]int, len(policies))
	for i, p := range policies {
		place[p.name] = i
	}
	slices.SortStableFunc(problems, func(a, b *Problem) int { return place[a.Policy] - place[b.Policy] })
	return problems
}

// tooLarge blames the policies that changed something, once each.
func tooLarge(changes []Change) []*Problem {
	var problems []*Problem
	blamed := sets.New[string]()
	for _, change := range changes {
		if !blamed.Has(change.Policy) {
			blamed.Insert(change.Policy)
			problems = append(problems, &Problem{Policy: change.Policy, Reason: v1alpha1.ReasonTooLarge,
				Err: errors.New("the pod's annotations would become larger than 256 KiB")})
		}
	}
	return problems
}
