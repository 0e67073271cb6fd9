package state

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// said is what the members of a gang say about it, counted: what none says any more is forgotten, and the order in which
// they came plays no role.
type said struct {
	queues           map[string]int
	runtimes, delays map[time.Duration]int
	firm, urgent     int
	// levels are the topology levels that they ask for, required those that they insist on.
	levels, required map[string]int
	// errors are what is wrong with what they say.
	errors map[string]int
}

func newSaid() said {
	return said{queues: map[string]int{}, runtimes: map[time.Duration]int{}, delays: map[time.Duration]int{}, levels: map[string]int{}, required: map[string]int{}, errors: map[string]int{}}
}

// count adds what a pod says once, or takes it back where by is -1.
func (s *said) count(pod *corev1.Pod, by int) {
	tally(s.queues, pod.Labels[schedulingv1alpha1.QueueLabel], by)
	if pod.Annotations[schedulingv1alpha1.PreemptibleAnnotation] == "false" {
		s.firm += by
	}
	urgent, err := urgency(pod.Annotations)
	if err != nil {
		tally(s.errors, err.Error(), by)
	} else if urgent {
		s.urgent += by
	}
	runtime, err := durationOf(pod.Annotations, schedulingv1alpha1.ExpectedRuntimeAnnotation)
	if err != nil {
		tally(s.errors, err.Error(), by)
	}
	if deadline := pod.Spec.ActiveDeadlineSeconds; runtime == 0 && deadline != nil {
		runtime = time.Duration(*deadline) * time.Second
	}
	tally(s.runtimes, runtime, by)
	delay, err := durationOf(pod.Annotations, schedulingv1alpha1.PreemptionDelayAnnotation)
	if err != nil {
		tally(s.errors, err.Error(), by)
	}
	tally(s.delays, delay, by)
	want := wantOf(pod.Annotations)
	for _, level := range levelsOf(want) {
		tally(s.levels, level, by)
	}
	if want.Required != "" {
		tally(s.required, want.Required, by)
	}
	if _, err := segmentOf(pod); err != nil {
		tally(s.errors, err.Error(), by)
	}
	if _, err := packingOf(pod.Annotations); err != nil {
		tally(s.errors, err.Error(), by)
	}
	for _, annotation := range gpuAnnotations {
		if _, err := localityOf(pod, annotation); err != nil {
			tally(s.errors, err.Error(), by)
		}
	}
}

func tally[T comparable](counts map[T]int, what T, by int) {
	if counts[what] += by; counts[what] == 0 {
		delete(counts, what)
	}
}

// queue is the queue that members name; where they do not agree, the one that comes first by name.
func (s *said) queue() string {
	first := ""
	for name := range s.queues {
		if first == "" || name != "" && name < first {
			first = name
		}
	}
	return first
}

// runtime is the longest run time that a member expects, delay the longest time that one wants to spare others.
func (s *said) runtime() time.Duration { return longest(s.runtimes) }
func (s *said) delay() time.Duration   { return longest(s.delays) }

func longest(counts map[time.Duration]int) (most time.Duration) {
	for duration := range counts {
		most = max(most, duration)
	}
	return most
}

// problem is what is wrong with what members say; empty where nothing is.
func (s *said) problem() string {
	if len(s.errors) == 0 {
		return ""
	}
	return slices.Min(slices.Collect(maps.Keys(s.errors)))
}

// adopt takes note of what a new member says about its gang, disown of what one says no more.
func (e *entry) adopt(pod *corev1.Pod)  { e.hear(func() { e.said.count(pod, +1) }) }
func (e *entry) disown(pod *corev1.Pod) { e.hear(func() { e.said.count(pod, -1) }) }

// changed takes note that a member is another than before; mostly it says the same.
func (e *entry) changed(old, pod *corev1.Pod) {
	if !maps.Equal(old.Annotations, pod.Annotations) || old.Labels[schedulingv1alpha1.QueueLabel] != pod.Labels[schedulingv1alpha1.QueueLabel] {
		e.hear(func() {
			e.said.count(old, -1)
			e.said.count(pod, +1)
		})
	}
}

// hear takes note of what members say, and charges all of them anew where that decides otherwise who pays.
func (e *entry) hear(what func()) {
	queue, firm, runtime := e.queue(), e.firm(), e.runtime()
	what()
	e.stale = true
	if e.queue() != queue || e.firm() != firm || e.runtime() != runtime {
		e.rebook()
	}
}
