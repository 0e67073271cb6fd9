package manifest

import (
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	"github.com/muster-scheduling/muster/controllers/notebook"
	"github.com/muster-scheduling/muster/controllers/training"
	"github.com/muster-scheduling/muster/internal/explain"
)

// Gang is one gang that a manifest would create.
type Gang struct {
	// Title is what to call it: the object of the manifest, as in "PyTorchJob team-a/llm".
	Title string

	// Question asks about it. Its pods lack what the cluster adds to them: see Cluster.
	Question explain.Question
}

// Gangs returns the gangs that a manifest would create, in its order, and notes on what the answers about them leave out.
// Objects without a namespace get the one given. It fails on a manifest that cannot be read, on objects that their
// controllers would refuse, and where there is no gang in it.
func Gangs(text []byte, namespace string) ([]Gang, []string, error) {
	objects, err := read(text, namespace)
	if err != nil {
		return nil, nil, err
	}
	c := collection{byGroup: map[string]int{}}
	if err := c.addRuntimes(objects); err != nil {
		return nil, nil, err
	}
	for _, o := range objects {
		if err := c.add(o); err != nil {
			return nil, nil, err
		}
	}
	gangs, err := c.join()
	return gangs, c.notes, err
}

// collection is what has been found in a manifest.
type collection struct {
	gangs   []Gang
	byGroup map[string]int // the index in gangs, by namespace/name of the PodGroup
	members []corev1.Pod   // pods that point to a PodGroup
	notes   []string

	runtimes map[runtimeKey]*trainerv1alpha1.TrainingRuntimeSpec
}

func (c *collection) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// add takes in one object.
func (c *collection) add(o object) error {
	switch o.APIVersion + " " + o.Kind {
	case "v1 Pod":
		return c.addPod(o)
	case "v1 Service":
		return nil // it gives pods names, and no place
	case "batch/v1 Job":
		return c.addJob(o)
	case trainerv1alpha1.GroupVersion.String() + " TrainJob":
		return c.addTrainJob(o)
	case trainerv1alpha1.GroupVersion.String() + " TrainingRuntime", trainerv1alpha1.GroupVersion.String() + " ClusterTrainingRuntime":
		return nil
	case "kubeflow.org/v1 Notebook", "kubeflow.org/v1beta1 Notebook", "kubeflow.org/v1alpha1 Notebook":
		return c.addNotebook(o)
	case podgroupv1alpha1.SchemeGroupVersion.String() + " PodGroup":
		var group podgroupv1alpha1.PodGroup
		if err := o.decode(&group); err != nil {
			return err
		}
		group.Name = o.Name
		return c.addGroup(o.title(), &group)
	}
	if job := training.NewJob(o.APIVersion, o.Kind); job != nil {
		return c.addTrainingJob(o, job)
	}
	c.note("%s is left out: the answer is as if it changed nothing", o.title())
	return nil
}

func (c *collection) addGroup(title string, group *podgroupv1alpha1.PodGroup) error {
	key := group.Namespace + "/" + group.Name
	if _, twice := c.byGroup[key]; twice {
		return fmt.Errorf("there would be two PodGroups %s", key)
	}
	c.byGroup[key] = len(c.gangs)
	c.gangs = append(c.gangs, Gang{Title: title, Question: explain.Question{PodGroup: group}})
	return nil
}

// addMember takes in a pod that points to a PodGroup, or one without as a gang of its own.
func (c *collection) addMember(title string, pod corev1.Pod) {
	if pod.Labels[schedulingv1alpha1.PodGroupLabel] != "" {
		c.members = append(c.members, pod)
		return
	}
	c.gangs = append(c.gangs, Gang{Title: title, Question: explain.Question{Pods: []corev1.Pod{pod}}})
}

func (c *collection) addPod(o object) error {
	var pod corev1.Pod
	if err := o.decode(&pod); err != nil {
		return err
	}
	pod.Name = o.Name
	c.forMuster(o.title(), &pod.Spec)
	c.addMember(o.title(), pod)
	return nil
}

// addNotebook takes in the pod of a notebook.
func (c *collection) addNotebook(o object) error {
	var nb notebookv1.Notebook
	if err := o.decode(&nb); err != nil {
		return err
	}
	nb.Name = o.Name
	pod, err := notebook.Preview(notebook.Config{}, &nb)
	if err != nil {
		return err
	}
	c.addMembers(o, []corev1.Pod{*pod})
	return nil
}

// addTrainingJob takes in what the controller would create for a job.
func (c *collection) addTrainingJob(o object, job trainingv1.Job) error {
	if err := o.decode(job); err != nil {
		return err
	}
	job.SetName(o.Name)
	group, pods, err := training.Preview(training.Config{}, job)
	if err != nil {
		return err
	}
	if group != nil {
		if err := c.addGroup(o.title(), group); err != nil {
			return err
		}
	}
	c.addMembers(o, pods)
	return nil
}

// addMembers takes in the pods of a job, but for those that it gives to another scheduler.
func (c *collection) addMembers(o object, pods []corev1.Pod) {
	for _, pod := range pods {
		if pod.Spec.SchedulerName != schedulingv1alpha1.SchedulerName {
			c.note("pod %s of %s is left out: it is for the scheduler %q", pod.Name, o.title(), pod.Spec.SchedulerName)
			continue
		}
		c.addMember(fmt.Sprintf("Pod %s/%s", pod.Namespace, pod.Name), pod)
	}
}

// addJob takes in the pods that run at once of a Job. Without a PodGroup they would start one by one, if no pod policy makes them a
// gang: the question is in any case when all of them fit.
func (c *collection) addJob(o object) error {
	var job batchv1.Job
	if err := o.decode(&job); err != nil {
		return err
	}
	job.Name = o.Name
	c.forMuster(o.title(), &job.Spec.Template.Spec)
	pods := podsOf(&job)
	switch {
	case len(pods) == 0:
		return fmt.Errorf("%s asks for no pods", o.title())
	case len(pods) > 1 && pods[0].Labels[schedulingv1alpha1.PodGroupLabel] == "":
		c.note("%s has no PodGroup: its pods start one by one unless a PodPolicy makes them a gang; the answer is about all %d at once", o.title(), len(pods))
		if err := c.addGroup(o.title(), groupOf(&job, pods)); err != nil {
			return err
		}
	}
	for _, pod := range pods {
		c.addMember(o.title(), pod)
	}
	return nil
}

// forMuster makes pods that are not for Muster ask as if they were.
func (c *collection) forMuster(title string, spec *corev1.PodSpec) {
	switch spec.SchedulerName {
	case schedulingv1alpha1.SchedulerName:
		return
	case "":
		c.note("%s names no scheduler: the answer is as if it had schedulerName: %s", title, schedulingv1alpha1.SchedulerName)
	default:
		c.note("%s is for the scheduler %q: the answer is as if it had schedulerName: %s",
			title, spec.SchedulerName, schedulingv1alpha1.SchedulerName)
	}
	spec.SchedulerName = schedulingv1alpha1.SchedulerName
}

// join brings the members to their gangs.
func (c *collection) join() ([]Gang, error) {
	for _, pod := range c.members {
		key := pod.Namespace + "/" + pod.Labels[schedulingv1alpha1.PodGroupLabel]
		i, ok := c.byGroup[key]
		if !ok {
			return nil, fmt.Errorf("pod %s points to the PodGroup %s, which is not in the manifest", pod.Name, key)
		}
		c.gangs[i].Question.Pods = append(c.gangs[i].Question.Pods, pod)
	}
	if len(c.gangs) == 0 {
		return nil, errors.New("there is nothing in it that Muster schedules: no PodGroup, Pod, Job or training job")
	}
	for _, g := range c.gangs {
		if len(g.Question.Pods) == 0 {
			return nil, fmt.Errorf("no pod of the manifest points to %s", g.Title)
		}
	}
	return c.gangs, nil
}
