package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/muster-scheduling/muster/internal/explain"
)

const torch = `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: torch}
spec:
  runPolicy: {schedulingPolicy: {priorityClass: high}}
  pytorchReplicaSpecs:
    Worker: {replicas: 2, template: {spec: {containers: [{name: pytorch, image: i, resources: {limits: {nvidia.com/gpu: 8}}}]}}}
`

const twoPods = `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: []}
---
apiVersion: v1
kind: Pod
metadata: {name: b}
spec: {schedulerName: muster, containers: []}
`

func newWhatIfWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.objects["/apis/scheduling.k8s.io/v1/priorityclasses"] = schedulingv1.PriorityClassList{
		Items: []schedulingv1.PriorityClass{{ObjectMeta: metav1.ObjectMeta{Name: "high"}, Value: 1000}},
	}
	w.objects["/api/v1/namespaces/team-a/limitranges"] = corev1.LimitRangeList{}
	w.answers[explain.WhatIfPath] = explain.Answer{Verdict: explain.StartsNow, Known: true, Start: time.Now(), Queue: "nlp"}
	return w
}

func TestWhatIf(t *testing.T) {
	w := newWhatIfWorld(t)
	stdout, stderr, err := w.run(t, "whatif", "-f", w.writeFile(t, "job.yaml", torch))
	if err != nil || stderr != "" {
		t.Fatal(err, stderr)
	}
	mustContain(t, stdout, "PyTorchJob team-a/torch would start now.")

	if len(w.asked) != 1 {
		t.Fatalf("the scheduler was asked %q", w.asked)
	}
	body, ok := strings.CutPrefix(w.asked[0], "POST "+explain.WhatIfPath+" ")
	if !ok {
		t.Fatalf("the scheduler was asked %q", w.asked)
	}
	var question explain.Question
	if err := json.Unmarshal([]byte(body), &question); err != nil {
		t.Fatal(err)
	}
	if question.PodGroup == nil || question.PodGroup.Spec.MinMember != 2 || len(question.Pods) != 2 {
		t.Fatalf("asked about %s", body)
	}
	for _, pod := range question.Pods {
		gpus := pod.Spec.Containers[0].Resources.Requests["nvidia.com/gpu"]
		if pod.Namespace != "team-a" || *pod.Spec.Priority != 1000 || gpus.Value() != 8 {
			t.Errorf("pod %s/%s has the priority %d and requests %s GPUs", pod.Namespace, pod.Name, *pod.Spec.Priority, gpus.String())
		}
	}
}

// Each gang of a manifest gets an answer of its own; in JSON one object after the other.
func TestWhatIfOfSeveral(t *testing.T) {
	w := newWhatIfWorld(t)
	file := w.writeFile(t, "pods.yaml", twoPods)
	stdout, stderr, err := w.run(t, "whatif", "-f", file)
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "Pod team-a/a would start now.", "\n\nPod team-a/b would start now.")
	mustContain(t, stderr, "note: Pod team-a/a names no scheduler")

	stdout, _, err = w.run(t, "whatif", "-f", file, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(stdout))
	for range 2 {
		var answer explain.Answer
		if err := decoder.Decode(&answer); err != nil || answer.Verdict != explain.StartsNow {
			t.Errorf("got %v, %v", answer, err)
		}
	}
}

func TestWhatIfFails(t *testing.T) {
	w := newWhatIfWorld(t)
	noClass := strings.Replace(torch, "high", "none", 1)
	elsewhere := w.writeFile(t, "job.yaml", strings.Replace(torch, "name: torch", "name: torch, namespace: other", 1))
	for _, test := range []struct {
		args  []string
		words string
	}{
		{[]string{"whatif"}, "Give it with -f FILE"},
		{[]string{"whatif", "-f", w.directory + "/none"}, "no such file"},
		{[]string{"whatif", "-f", "-"}, "-: there is nothing in it that Muster schedules"},
		{[]string{"whatif", "-f", w.writeFile(t, "class.yaml", noClass)}, `PyTorchJob team-a/torch: pod team-a/torch-worker-0: there is no PriorityClass "none"`},
		{[]string{"whatif", "-f", elsewhere}, "finding out what the cluster adds to new pods: reading namespaces/other/limitranges"},
	} {
		stdout, _, err := w.run(t, test.args...)
		mustFail(t, stdout, err, test.words)
	}
	if len(w.asked) > 0 {
		t.Errorf("the scheduler was asked in vain: %q", w.asked)
	}
	delete(w.answers, explain.WhatIfPath)
	stdout, _, err := w.run(t, "whatif", "-f", w.writeFile(t, "job.yaml", torch))
	mustFail(t, stdout, err, "PyTorchJob team-a/torch: the scheduler does not know it")
}
