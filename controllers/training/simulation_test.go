package training

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// failing is what a simulation tells of what must not be: a test of either sort.
type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

// simulation is a job, what there is of it, and a clock. It carries out plans as the reconciler does, but may be cut off
// anywhere.
type simulation struct {
	failing
	kind     *kind
	job      trainingv1.Job // as stored, with defaults
	pods     map[string]*corev1.Pod
	services map[string]*corev1.Service
	support  map[string]client.Object
	group    *podgroupv1alpha1.PodGroup
	now      time.Time
	born     int

	// created and stored are told of what happens. They may be nil.
	created func(*corev1.Pod)
	stored  func(before, after *trainingv1.JobStatus)
}

func newSimulation(t failing, k *kind, job trainingv1.Job) *simulation {
	return &simulation{
		failing: t, kind: k, job: job.DeepCopyObject().(trainingv1.Job), now: noon,
		pods: map[string]*corev1.Pod{}, services: map[string]*corev1.Service{}, support: map[string]client.Object{},
	}
}

func (s *simulation) decide() plan {
	seen := observed{pods: maps.Clone(s.pods), services: s.services, podGroup: s.group, support: map[string]client.Object{}}
	for key, object := range s.support {
		if !isSecret(object) { // they are not watched
			seen.support[key] = object
		}
	}
	return s.kind.decide(Config{}, s.job.DeepCopyObject().(trainingv1.Job), seen, s.now)
}

// changes says whether a plan does anything at all.
func (s *simulation) changes(p plan) bool {
	for _, object := range p.before {
		if s.support[supportKey(object)] == nil {
			return true
		}
	}
	return p.group != nil || p.expired || len(p.create)+len(p.update)+len(p.remove)+len(p.events) > 0 ||
		!equality.Semantic.DeepEqual(p.status, s.job.State())
}

// pass looks at the job once. The controller is killed after so many writes, and the pod of that name cannot be created.
// It reports whether the status was stored.
func (s *simulation) pass(writes int, refused string) bool {
	s.Helper()
	p := s.decide()
	next := func() bool { writes--; return writes >= 0 }
	for _, object := range p.before {
		if s.support[supportKey(object)] == nil {
			if !next() {
				return false
			}
			s.support[supportKey(object)] = object
		}
	}
	if p.group != nil {
		if !next() {
			return false
		}
		s.group = p.group
	}
	for _, object := range p.update {
		if group, ok := object.(*podgroupv1alpha1.PodGroup); ok {
			s.group = group
		} else {
			s.support[supportKey(object)] = object
		}
	}
	var refusal error
	for _, object := range p.create {
		if object.GetName() == refused {
			refusal = errors.New("refused")
			continue
		}
		if !next() {
			return false
		}
		s.create(object)
	}
	if err := s.kind.report(s.job, len(s.pods) == 0, refusal, &p, s.now); !errors.Is(err, refusal) {
		s.Fatalf("reporting %v: %v", refusal, err)
	}
	if !next() {
		return false
	}
	if s.stored != nil {
		s.stored(s.job.State(), p.status)
	}
	*s.job.State() = *p.status.DeepCopy()
	for _, object := range p.remove {
		if !next() {
			break
		}
		s.remove(object)
	}
	return true
}

func (s *simulation) create(object client.Object) {
	s.Helper()
	switch object := object.(type) {
	case *corev1.Pod:
		if s.pods[object.Name] != nil {
			s.Fatalf("%s is created though it exists", object.Name)
		}
		s.born++
		object.UID = types.UID(fmt.Sprint("uid-", s.born))
		object.CreationTimestamp = metav1.NewTime(s.now)
		object.Status = podIn(s.kind, object.Name, corev1.PodPending).Status
		object.Status.ContainerStatuses[0].Name = s.kind.mainOf(object)
		object.Status.StartTime = &object.CreationTimestamp
		if s.created != nil {
			s.created(object)
		}
		s.pods[object.Name] = object
	case *corev1.Service:
		s.services[object.Name] = object
	}
}

// remove deletes an object. A pod that runs is given time.
func (s *simulation) remove(object client.Object) {
	switch object := object.(type) {
	case *corev1.Pod:
		if object.Status.Phase != corev1.PodRunning {
			delete(s.pods, object.Name)
			return
		}
		grace := int64(30)
		object.DeletionTimestamp = new(metav1.NewTime(s.now.Add(30 * time.Second)))
		object.DeletionGracePeriodSeconds = &grace
	case *corev1.Service:
		delete(s.services, object.Name)
	case *podgroupv1alpha1.PodGroup:
		s.group = nil
	}
}

// settle looks at the job until nothing changes any more, while pods that are deleted go, and delays end.
func (s *simulation) settle() {
	s.Helper()
	for range 20 {
		settled := !s.changes(s.decide())
		s.pass(1000, "")
		s.now = s.now.Add(2 * longestDelay)
		for _, name := range s.names() {
			if s.pods[name].DeletionTimestamp != nil {
				settled = false
				delete(s.pods, name)
			}
		}
		if settled && !s.changes(s.decide()) {
			return
		}
	}
	s.Fatalf("the controller does not come to rest: %+v", s.decide())
}

func (s *simulation) names() []string {
	return slices.Sorted(maps.Keys(s.pods))
}

// end gives a pod a phase.
func (s *simulation) end(name string, phase corev1.PodPhase, options ...podOption) {
	s.pods[name].Status.Phase = phase
	for _, o := range options {
		o(s.pods[name])
	}
}

func (s *simulation) all(phase corev1.PodPhase, options ...podOption) {
	for _, name := range s.names() {
		s.end(name, phase, options...)
	}
}
