package integration

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// boundPods lists the pods of a gang, or of none, that have a node and have not ended.
func (e *env) boundPods(gang string) []*corev1.Pod {
	if gang != "" {
		gang = e.namespace + "/" + gang
	}
	var bound []*corev1.Pod
	for _, p := range shared.watcher.in(e.namespace) {
		if gangOf(p) == gang && isBound(p) {
			bound = append(bound, p)
		}
	}
	return bound
}

func isBound(p *corev1.Pod) bool {
	return p.Spec.NodeName != "" && p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// expectBound waits until so many pods of a gang are bound.
func (e *env) expectBound(gang string, n int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d pods of gang %q are bound", n, gang), func(context.Context) (bool, string) {
		bound := len(e.boundPods(gang))
		return bound == n, fmt.Sprintf("%d bound", bound)
	})
}

// expectPodBound waits until the pod is bound, and says where.
func (e *env) expectPodBound(name string) (node string) {
	e.Helper()
	e.eventually(fmt.Sprintf("pod %s is bound", name), func(context.Context) (bool, string) {
		p := e.seen(name)
		if p == nil || !isBound(p) {
			return false, "it is not"
		}
		node = p.Spec.NodeName
		return true, ""
	})
	return node
}

// seen is a pod as the watcher last saw it; nil if there is none.
func (e *env) seen(name string) *corev1.Pod {
	for _, p := range shared.watcher.in(e.namespace) {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// expectRefused waits until the scheduler has tried to plan the gang and found no room, and checks that it holds nothing.
func (e *env) expectRefused(gang string) {
	e.Helper()
	e.expectNoRoomFor(gang)
	e.expectNoneBound(gang)
}

// expectNoRoomFor waits until a pod of the gang that is not bound says that the scheduler found no room for what the
// gang lacks.
func (e *env) expectNoRoomFor(gang string) {
	e.Helper()
	e.eventually(fmt.Sprintf("gang %q is found to have no room", gang), func(context.Context) (bool, string) {
		for _, p := range shared.watcher.in(e.namespace) {
			c := scheduledCondition(p)
			if gangOf(p) == e.namespace+"/"+gang && p.Spec.NodeName == "" && c != nil && c.Reason == corev1.PodReasonUnschedulable &&
				strings.Contains(c.Message, "have to start together fit") {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d bound", len(e.boundPods(gang)))
	})
}

// expectNoneBound checks that no pod of the gang is bound now.
func (e *env) expectNoneBound(gang string) {
	e.Helper()
	if bound := e.boundPods(gang); len(bound) > 0 {
		e.Errorf("gang %q has %d pods bound, want none", gang, len(bound))
	}
}

// expectUnschedulable waits until every pod of the gang says that there is no room for it, as an autoscaler reads it.
func (e *env) expectUnschedulable(gang string) {
	e.Helper()
	e.eventually(fmt.Sprintf("all pods of gang %q are marked as unschedulable", gang), func(context.Context) (bool, string) {
		marked, all := 0, 0
		for _, p := range shared.watcher.in(e.namespace) {
			if gangOf(p) != e.namespace+"/"+gang {
				continue
			}
			all++
			if c := scheduledCondition(p); c != nil && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
				marked++
			}
		}
		return all > 0 && marked == all, fmt.Sprintf("%d of %d are", marked, all)
	})
}

func scheduledCondition(p *corev1.Pod) *corev1.PodCondition {
	for i, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// expectReason waits until the metrics name the reason for so many gangs.
func (e *env) expectReason(reason gangs.Reason, n int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d gangs wait for reason %s", n, reason), func(context.Context) (bool, string) {
		seen := gangMetrics()
		return seen.byReason[reason] == n, fmt.Sprintf("%+v", seen)
	})
}

// events lists the events about an object.
func (e *env) events(kind, name string) []corev1.Event {
	e.Helper()
	list := &corev1.EventList{}
	e.do(e.client.List(e.Context(), list, client.InNamespace(e.namespace)))
	var about []corev1.Event
	for _, event := range list.Items {
		if event.InvolvedObject.Kind == kind && event.InvolvedObject.Name == name {
			about = append(about, event)
		}
	}
	return about
}

// expectEvent waits for an event of the reason about an object, with the words in its message.
func (e *env) expectEvent(kind, name, reason, words string) {
	e.Helper()
	e.eventually(fmt.Sprintf("an event %s on %s %s that says %q", reason, kind, name, words), func(context.Context) (bool, string) {
		var messages []string
		for _, event := range e.events(kind, name) {
			if event.Reason == reason && strings.Contains(event.Message, words) {
				return true, ""
			}
			messages = append(messages, event.Reason+": "+event.Message)
		}
		return false, strings.Join(messages, "; ")
	})
}

// eventuallyUnschedulablePods waits until exactly so many pods of the namespace are marked as unschedulable.
func (e *env) eventuallyUnschedulablePods(n int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d pods are marked as unschedulable", n), func(context.Context) (bool, string) {
		marked := 0
		for _, p := range shared.watcher.in(e.namespace) {
			if c := scheduledCondition(p); p.Spec.NodeName == "" && c != nil && c.Reason == corev1.PodReasonUnschedulable {
				marked++
			}
		}
		return marked == n, fmt.Sprintf("%d are", marked)
	})
}

// expectGone waits until none of the pods exists any more.
func (e *env) expectGone(pods ...*corev1.Pod) {
	e.Helper()
	e.eventually("pods are gone", func(context.Context) (bool, string) {
		for _, p := range pods {
			if now := e.seen(p.Name); now != nil && now.UID == p.UID {
				return false, p.Name + " is there"
			}
		}
		return true, ""
	})
}
