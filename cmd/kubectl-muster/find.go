package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	"github.com/muster-scheduling/muster/cmd/kubectl-muster/kube"
	"github.com/muster-scheduling/muster/cmd/kubectl-muster/query"
	"github.com/muster-scheduling/muster/controllers/notebook"
	"github.com/muster-scheduling/muster/controllers/training"
	"github.com/muster-scheduling/muster/internal/explain"
)

// objectType is a type of objects that can be explained.
type objectType struct {
	kind     string   // as in a manifest
	names    []string // on the command line, the first in help
	resource kube.Resource
	newJob   func() trainingv1.Job // of a training job, whose gang is the PodGroup of the same name
	grouped  bool                  // of a workload whose gang has a name of its own
}

var objectTypes = append([]objectType{
	{kind: "Pod", names: []string{"pod", "pods", "po"}, resource: kube.Pods},
	{kind: "PodGroup", names: []string{"podgroup", "podgroups", "pg"}, resource: kube.PodGroups},
	{kind: "Job", names: []string{"job", "jobs"}, resource: kube.Jobs, grouped: true},
	{kind: "JobSet", names: []string{"jobset", "jobsets"}, resource: kube.JobSets, grouped: true},
	{kind: "TrainJob", names: []string{"trainjob", "trainjobs"}, resource: kube.TrainJobs},
	{kind: "Notebook", names: []string{"notebook", "notebooks"}, resource: kube.Notebooks},
	{kind: "LeaderWorkerSet", names: []string{"leaderworkerset", "leaderworkersets", "lws"}, resource: kube.LeaderWorkerSets, grouped: true},
}, jobTypes()...)

// jobTypes are the types of training jobs.
func jobTypes() []objectType {
	var types []objectType
	for _, c := range training.Controllers() {
		resource := kube.TrainingJobs(c.Kind)
		singular := strings.ToLower(c.Kind)
		types = append(types, objectType{kind: c.Kind, names: []string{singular, resource.Name}, resource: resource, newJob: c.NewJob})
	}
	return types
}

// typeNames lists the types for the help.
func typeNames() string {
	var names []string
	for _, t := range objectTypes {
		names = append(names, t.names[0])
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// parseObject reads TYPE NAME or TYPE/NAME, as kubectl does; the group behind the first point of a type is ignored.
func parseObject(args []string) (objectType, string, error) {
	given, name := args[0], ""
	if len(args) == 2 {
		name = args[1]
	} else {
		given, name, _ = strings.Cut(args[0], "/")
	}
	if name == "" || strings.Contains(name, "/") || strings.Contains(given, "/") {
		return objectType{}, "", fmt.Errorf("%q names no object: give TYPE NAME or TYPE/NAME", strings.Join(args, " "))
	}
	word, _, _ := strings.Cut(strings.ToLower(given), ".")
	i := slices.IndexFunc(objectTypes, func(t objectType) bool { return slices.Contains(t.names, word) })
	if i < 0 {
		return objectType{}, "", fmt.Errorf("unknown type %q: it is one of %s", given, typeNames())
	}
	return objectTypes[i], name, nil
}

// found is the gang of an object, and what to call it.
type found struct {
	explain.Gang
	title string
}

// find asks the scheduler about the gang of an object. Where there is none to ask about it fails, and says why.
func (s *session) find(ctx context.Context, t objectType, name string) (found, error) {
	title := fmt.Sprintf("%s %s/%s", t.kind, s.namespace, name)
	kind := explain.KindPodGroup
	if t.newJob != nil {
		if err := s.checkJob(ctx, t, title, name); err != nil {
			return found{}, err
		}
	} else if t.resource == kube.Pods {
		kind = explain.KindPod
	} else if t.resource == kube.TrainJobs {
		if err := s.checkTrainJob(ctx, title, name); err != nil {
			return found{}, err
		}
	} else if t.resource == kube.Notebooks {
		if err := s.checkNotebook(ctx, title, name); err != nil {
			return found{}, err
		}
		kind, t, name = explain.KindPod, objectTypes[0], notebook.PodName(name)
		title = fmt.Sprintf("%s %s/%s", t.kind, s.namespace, name)
	} else if t.grouped {
		var err error
		if name, err = s.gangOf(ctx, t, title, name); err != nil {
			return found{}, err
		}
	}
	gang, err := s.Gang(ctx, kind, s.namespace, name)
	if query.NotFound(err) {
		return found{}, s.whyUnknown(ctx, t, title, name, err)
	} else if err != nil {
		return found{}, err
	}
	if gang.Kind != kind {
		title = fmt.Sprintf("%s is a member of %s, which", title, gang.Title())
	}
	return found{Gang: gang, title: title}, nil
}

// checkJob fails unless the job waits or runs with a PodGroup of its own.
func (s *session) checkJob(ctx context.Context, t objectType, title, name string) error {
	job := t.newJob()
	if err := s.cluster.Get(ctx, t.resource, s.namespace, name, job); apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no %s", title)
	} else if err != nil {
		return err
	}
	if suspend := job.Policy().Suspend; suspend != nil && *suspend {
		return fmt.Errorf("%s is suspended: it has no pods, and waits for spec.runPolicy.suspend to become false", title)
	}
	for _, c := range job.State().Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == trainingv1.JobSucceeded || c.Type == trainingv1.JobFailed) {
			return fmt.Errorf("%s does not wait, it is %s: %s", title, c.Type, c.Message)
		}
	}
	return s.checkGroup(ctx, job, title, name)
}

// checkTrainJob is checkJob for a TrainJob.
func (s *session) checkTrainJob(ctx context.Context, title, name string) error {
	job := &trainerv1alpha1.TrainJob{}
	if err := s.cluster.Get(ctx, kube.TrainJobs, s.namespace, name, job); apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no %s", title)
	} else if err != nil {
		return err
	}
	if job.Spec.Suspend != nil && *job.Spec.Suspend {
		return fmt.Errorf("%s is suspended: it has no pods, and waits for spec.suspend to become false", title)
	}
	for _, c := range job.Status.Conditions {
		switch ended := c.Type == trainerv1alpha1.TrainJobComplete || c.Type == trainerv1alpha1.TrainJobFailed; {
		case ended && c.Status == metav1.ConditionTrue:
			return fmt.Errorf("%s does not wait, it is %s: %s", title, c.Type, c.Message)
		case c.Type == trainerv1alpha1.TrainJobCreated && c.Status == metav1.ConditionFalse:
			return fmt.Errorf("%s does not get its pods: %s", title, c.Message)
		}
	}
	return s.checkGroup(ctx, job, title, name)
}

// checkGroup fails unless there is a PodGroup of the job's name that is the job's.
func (s *session) checkGroup(ctx context.Context, job metav1.Object, title, name string) error {
	var group podgroupv1alpha1.PodGroup
	if err := s.cluster.Get(ctx, kube.PodGroups, s.namespace, name, &group); apierrors.IsNotFound(err) {
		return fmt.Errorf("%s has no PodGroup: none of its pods is for Muster, or muster-manager does not run", title)
	} else if err != nil {
		return err
	}
	if !metav1.IsControlledBy(&group, job) {
		return fmt.Errorf("the PodGroup %s/%s does not belong to %s, which cannot start until that is gone", s.namespace, name, title)
	}
	return nil
}

// whyUnknown says why the scheduler, whose answer is err, does not know a pod or a PodGroup.
func (s *session) whyUnknown(ctx context.Context, t objectType, title, name string, err error) error {
	var object struct {
		Spec struct {
			SchedulerName string `json:"schedulerName"`
		} `json:"spec"`
		Status struct {
			Phase string `json:"phase"`
		} `json:"status"`
	}
	switch getErr := s.cluster.Get(ctx, t.resource, s.namespace, name, &object); {
	case apierrors.IsNotFound(getErr):
		return fmt.Errorf("there is no %s", title)
	case getErr != nil:
		return err
	}
	phase, scheduler := object.Status.Phase, object.Spec.SchedulerName
	switch {
	case t.resource != kube.Pods:
		return fmt.Errorf("%s has no pods that Muster schedules (%w)", title, err)
	case phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed):
		return fmt.Errorf("%s does not wait, it has ended: %s", title, phase)
	case scheduler != schedulingv1alpha1.SchedulerName:
		text := fmt.Sprintf("%s is not scheduled by Muster: its spec.schedulerName is %q, and no PodPolicy changed that", title, scheduler)
		return errors.New(strings.Join(append([]string{text}, s.notReady(ctx, nil)...), "\n"))
	}
	return err
}
