package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
	"github.com/muster-scheduling/muster/internal/explain"
)

// notebook puts a Notebook into the cluster.
func (w *world) notebook(name string, change func(*notebookv1.Notebook)) {
	nb := &notebookv1.Notebook{}
	nb.SetName(name)
	change(nb)
	w.objects["/apis/kubeflow.org/v1/namespaces/team-a/notebooks/"+name] = nb
}

func degraded(reason, message string) func(*notebookv1.Notebook) {
	return func(nb *notebookv1.Notebook) {
		nb.Status.Conditions = []notebookv1.NotebookCondition{{Type: notebookv1.NotebookDegraded, Reason: reason, Message: message}}
	}
}

func TestExplainNotebook(t *testing.T) {
	w := newWorld(t)
	w.notebook("nb", degraded(notebookv1.ReasonInvalidIdleTime, "is no duration")) // it runs all the same
	answer := waiting("nb-0")
	answer.Kind = explain.KindPod
	w.answers["/muster/v1alpha1/gangs/team-a/nb-0?kind=pod"] = answer
	stdout, _, err := w.run(t, "explain", "notebook/nb")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "Pod team-a/nb-0 waits for quota (QuotaExceeded).")
}

func TestExplainNotebookThatHasNoPod(t *testing.T) {
	w := newWorld(t)
	w.notebook("stopped", func(nb *notebookv1.Notebook) {
		nb.Annotations = map[string]string{notebookv1.StoppedAnnotation: ""}
	})
	w.notebook("malformed", degraded(notebookv1.ReasonInvalidTemplate, "at least one container is needed"))
	w.notebook("fresh", func(*notebookv1.Notebook) {})
	w.notebook("theirs", func(*notebookv1.Notebook) {})
	w.objects["/api/v1/namespaces/team-a/pods/theirs-0"] = corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "default-scheduler"}}
	for name, words := range map[string]string{
		"none":      "there is no Notebook team-a/none",
		"stopped":   "Notebook team-a/stopped is stopped",
		"malformed": "Notebook team-a/malformed is not run as it says: at least one container is needed",
		"fresh":     "there is no Pod team-a/fresh-0",
		"theirs":    "Pod team-a/theirs-0 is not scheduled by Muster",
	} {
		stdout, _, err := w.run(t, "explain", "notebook", name)
		mustFail(t, stdout, err, words)
	}
}
