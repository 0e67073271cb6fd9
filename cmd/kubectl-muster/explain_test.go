package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	"github.com/muster-scheduling/muster/internal/explain"
)

func TestParseObject(t *testing.T) {
	for _, test := range []struct {
		args       []string
		kind, name string
	}{
		{[]string{"pod", "a"}, "Pod", "a"},
		{[]string{"po/a"}, "Pod", "a"},
		{[]string{"pods.v1/a"}, "Pod", "a"},
		{[]string{"PodGroup/a"}, "PodGroup", "a"},
		{[]string{"podgroups.scheduling.x-k8s.io", "a"}, "PodGroup", "a"},
		{[]string{"pytorchjobs.kubeflow.org/a"}, "PyTorchJob", "a"},
		{[]string{"tfjob/a"}, "TFJob", "a"},
		{[]string{"jaxjob/a"}, "JAXJob", "a"},
		{[]string{"XGBoostJob", "a"}, "XGBoostJob", "a"},
		{[]string{"paddlejobs/a"}, "PaddleJob", "a"},
		{[]string{"mxjobs.kubeflow.org/a"}, "MXJob", "a"},
		{[]string{"mpijob", "a"}, "MPIJob", "a"},
	} {
		kind, name, err := parseObject(test.args)
		if err != nil || kind.kind != test.kind || name != test.name {
			t.Errorf("%q: %s %s, %v", test.args, kind.kind, name, err)
		}
	}
	for _, args := range [][]string{
		{"pod"}, {"pod/"}, {"/a"}, {"pod", ""}, {"pod/a", "b"}, {"pod/a/b"}, {"pod", "a/b"}, {"deployment/a"}, {"", "a"},
	} {
		if kind, name, err := parseObject(args); err == nil {
			t.Errorf("%q is read as %s %q", args, kind.kind, name)
		}
	}
}

// waiting is the answer about a PodGroup that waits.
func waiting(name string) explain.Gang {
	return explain.Gang{
		Namespace: "team-a", Name: name, Kind: explain.KindPodGroup, Queue: "nlp", MinMember: 2, Members: 2,
		Reason: "QuotaExceeded", Message: "queue nlp: 60 of 64 nvidia.com/gpu in use, 8 more asked", Position: 3, WaitingInQueue: 17,
	}
}

func TestExplainPodGroup(t *testing.T) {
	w := newWorld(t)
	w.answers["/muster/v1alpha1/gangs/team-a/llm?kind=podgroup"] = waiting("llm")
	stdout, _, err := w.run(t, "explain", "podgroup/llm")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "PodGroup team-a/llm waits for quota (QuotaExceeded).", "8 more asked", "3rd of 17 in queue nlp")

	stdout, _, err = w.run(t, "explain", "podgroup", "llm", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var got explain.Gang
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(waiting("llm"), got); diff != "" {
		t.Error(diff)
	}
}

func TestExplainPod(t *testing.T) {
	w := newWorld(t)
	w.answers["/muster/v1alpha1/gangs/other/llm-0?kind=pod"] = waiting("llm")
	stdout, _, err := w.run(t, "explain", "pod", "llm-0", "-n", "other")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "Pod other/llm-0 is a member of PodGroup team-a/llm, which waits for quota (QuotaExceeded).")
}

// What the scheduler does not know is looked up in the cluster, to say why.
func TestExplainUnknown(t *testing.T) {
	w := newWorld(t)
	pods := "/api/v1/namespaces/team-a/pods/"
	w.objects[pods+"other"] = corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "default-scheduler"}}
	w.objects[pods+"ended"] = corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "muster"}, Status: corev1.PodStatus{Phase: corev1.PodFailed}}
	w.objects[pods+"new"] = corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "muster"}}
	w.objects["/apis/scheduling.x-k8s.io/v1alpha1/namespaces/team-a/podgroups/empty"] = podgroupv1alpha1.PodGroup{}
	for object, words := range map[string]string{
		"pod/none":       "there is no Pod team-a/none",
		"pod/other":      `Pod team-a/other is not scheduled by Muster: its spec.schedulerName is "default-scheduler"`,
		"pod/ended":      "Pod team-a/ended does not wait, it has ended: Failed",
		"pod/new":        "the scheduler does not know it",
		"podgroup/none":  "there is no PodGroup team-a/none",
		"podgroup/empty": "PodGroup team-a/empty has no pods that Muster schedules",
	} {
		stdout, _, err := w.run(t, "explain", object)
		mustFail(t, stdout, err, words)
	}
}

const jobUID = "uid-of-the-job"

// job puts a PyTorchJob into the cluster.
func (w *world) job(name string, change func(*trainingv1.PyTorchJob)) {
	job := &trainingv1.PyTorchJob{}
	job.SetName(name)
	job.SetUID(jobUID)
	change(job)
	w.objects["/apis/kubeflow.org/v1/namespaces/team-a/pytorchjobs/"+name] = job
}

// podGroup puts a PodGroup into the cluster that an object of that UID controls.
func (w *world) podGroup(name string, owner types.UID) {
	group := podgroupv1alpha1.PodGroup{}
	group.OwnerReferences = []metav1.OwnerReference{{UID: owner, Controller: new(true)}}
	w.objects["/apis/scheduling.x-k8s.io/v1alpha1/namespaces/team-a/podgroups/"+name] = group
}

func TestExplainJob(t *testing.T) {
	w := newWorld(t)
	w.job("llm", func(*trainingv1.PyTorchJob) {})
	w.podGroup("llm", jobUID)
	w.answers["/muster/v1alpha1/gangs/team-a/llm?kind=podgroup"] = waiting("llm")
	stdout, _, err := w.run(t, "explain", "pytorchjob/llm")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "PyTorchJob team-a/llm waits for quota (QuotaExceeded).")
}

func TestExplainJobThatHasNoGang(t *testing.T) {
	w := newWorld(t)
	w.job("suspended", func(job *trainingv1.PyTorchJob) { job.Policy().Suspend = new(true) })
	w.job("done", func(job *trainingv1.PyTorchJob) {
		job.State().Conditions = []trainingv1.JobCondition{
			{Type: trainingv1.JobCreated, Status: corev1.ConditionTrue},
			{Type: trainingv1.JobSucceeded, Status: corev1.ConditionTrue, Message: "it has completed"},
		}
	})
	w.job("fresh", func(*trainingv1.PyTorchJob) {})
	w.job("taken", func(*trainingv1.PyTorchJob) {})
	w.podGroup("taken", "uid-of-another")
	for name, words := range map[string]string{
		"none":      "there is no PyTorchJob team-a/none",
		"suspended": "is suspended",
		"done":      "PyTorchJob team-a/done does not wait, it is Succeeded: it has completed",
		"fresh":     "PyTorchJob team-a/fresh has no PodGroup",
		"taken":     "the PodGroup team-a/taken does not belong to PyTorchJob team-a/taken",
	} {
		stdout, _, err := w.run(t, "explain", "pytorchjob", name)
		mustFail(t, stdout, err, words)
	}
	if len(w.asked) > 0 {
		t.Errorf("the scheduler was asked in vain: %q", w.asked)
	}
}

// trainJob puts a TrainJob into the cluster.
func (w *world) trainJob(name string, edit func(*trainerv1alpha1.TrainJob)) {
	job := trainerv1alpha1.TrainJob{}
	job.Name, job.UID = name, jobUID
	edit(&job)
	w.objects["/apis/trainer.kubeflow.org/v1alpha1/namespaces/team-a/trainjobs/"+name] = job
}

func TestExplainTrainJob(t *testing.T) {
	w := newWorld(t)
	w.trainJob("llm", func(*trainerv1alpha1.TrainJob) {})
	w.podGroup("llm", jobUID)
	w.answers["/muster/v1alpha1/gangs/team-a/llm?kind=podgroup"] = waiting("llm")
	stdout, _, err := w.run(t, "explain", "trainjob/llm")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "TrainJob team-a/llm waits for quota (QuotaExceeded).")

	condition := func(kind string, status metav1.ConditionStatus, message string) func(*trainerv1alpha1.TrainJob) {
		return func(job *trainerv1alpha1.TrainJob) {
			job.Status.Conditions = []metav1.Condition{{Type: kind, Status: status, Message: message}}
		}
	}
	w.trainJob("suspended", func(job *trainerv1alpha1.TrainJob) { job.Spec.Suspend = new(true) })
	w.trainJob("done", condition("Complete", metav1.ConditionTrue, "it has completed"))
	w.trainJob("lost", condition("Created", metav1.ConditionFalse, "There is no ClusterTrainingRuntime x"))
	w.trainJob("fresh", condition("Created", metav1.ConditionTrue, ""))
	for name, words := range map[string]string{
		"none":      "there is no TrainJob team-a/none",
		"suspended": "waits for spec.suspend",
		"done":      "TrainJob team-a/done does not wait, it is Complete: it has completed",
		"lost":      "does not get its pods: There is no ClusterTrainingRuntime x",
		"fresh":     "TrainJob team-a/fresh has no PodGroup",
	} {
		stdout, _, err := w.run(t, "explain", "trainjob", name)
		mustFail(t, stdout, err, words)
	}
}
