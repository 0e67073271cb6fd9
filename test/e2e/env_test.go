package e2e

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// deadline only ends a wait in vain: it is far longer than anything takes.
const deadline = 4 * time.Minute

// env is what one test has of the shared cluster: a namespace.
type env struct {
	*testing.T
	namespace string
}

// setUp makes a namespace that goes with the test. What is in it is shown when the test has failed.
func setUp(t *testing.T) *env {
	t.Helper()
	e := &env{T: t}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}}
	e.do(shared.client.Create(t.Context(), namespace))
	e.namespace = namespace.Name
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if t.Failed() {
			show(ctx, e.namespace)
			show(ctx, "muster-system")
		}
		if err := shared.client.Delete(ctx, namespace); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return e
}

// do fails the test on an error.
func (e *env) do(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// image makes sure that the nodes have an image that only some tests need, or skips the test where there is none.
func (e *env) image(name string) {
	e.Helper()
	archive, is := shared.plan.Archives[name]
	if !is {
		e.Skipf("there is no image %q: %s", name, shared.plan.Missing[name])
	}
	e.do(shared.cluster.Import(archive))
}

// apply creates what a file of the folder jobs describes, as a user does.
func (e *env) apply(file string) {
	e.Helper()
	_, err := kubectl(e.Context(), "-n", e.namespace, "apply", "-f", filepath.Join("jobs", file))
	e.do(err)
}

// eventually waits until the condition holds, and fails the test with what it last said when it does not in time.
func (e *env) eventually(what string, condition func(context.Context) (bool, string)) {
	e.Helper()
	var last string
	began := time.Now()
	err := wait.PollUntilContextTimeout(e.Context(), 200*time.Millisecond, deadline, true, func(ctx context.Context) (ok bool, _ error) {
		ok, last = condition(ctx)
		return ok, nil
	})
	if err != nil {
		e.Fatalf("%s: %v; last seen: %s", what, err, last)
	}
	e.Logf("%.1f s until %s", time.Since(began).Seconds(), what)
}

// condition waits until the job has a condition, and returns that. It fails when the job has ended in another way.
func (e *env) condition(job trainingv1.Job, name string, want trainingv1.JobConditionType) trainingv1.JobCondition {
	e.Helper()
	var found, ended *trainingv1.JobCondition
	e.eventually(fmt.Sprintf("job %s is %s, or has ended", name, want), func(ctx context.Context) (bool, string) {
		if err := shared.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: name}, job); err != nil {
			return false, err.Error()
		}
		for _, c := range job.State().Conditions {
			if c.Status != corev1.ConditionTrue {
				continue
			}
			if c.Type == want {
				found = &c
			}
			if c.Type == trainingv1.JobSucceeded || c.Type == trainingv1.JobFailed {
				ended = &c
			}
		}
		return found != nil || ended != nil, fmt.Sprintf("%+v", job.State().Conditions)
	})
	if found == nil {
		e.Fatalf("job %s is not %s but %s: %s", name, want, ended.Type, ended.Message)
	}
	return *found
}

// pods are the pods of the namespace, by name.
func (e *env) pods() map[string]corev1.Pod {
	e.Helper()
	list := &corev1.PodList{}
	e.do(shared.client.List(e.Context(), list, client.InNamespace(e.namespace)))
	pods := map[string]corev1.Pod{}
	for _, pod := range list.Items {
		pods[pod.Name] = pod
	}
	return pods
}

// gang checks that these, and no others, are the pods of the namespace, that Muster has placed them as one gang, and how
// many nodes they are on.
func (e *env) gang(nodes int, names ...string) {
	e.Helper()
	pods, on := e.pods(), map[string]bool{}
	for _, name := range names {
		pod, is := pods[name]
		if !is {
			e.Errorf("there is no pod %s", name)
			continue
		}
		on[pod.Spec.NodeName] = true
		if pod.Spec.SchedulerName != "muster" || pod.Labels["scheduling.x-k8s.io/pod-group"] == "" {
			e.Errorf("pod %s is placed by %q, with labels %v", name, pod.Spec.SchedulerName, pod.Labels)
		}
	}
	if len(pods) != len(names) {
		e.Errorf("there are %d pods, want %v", len(pods), names)
	}
	if len(on) != nodes {
		e.Errorf("the pods are on %d nodes, want %d", len(on), nodes)
	}
}

// says checks that a pod's log has a line.
func (e *env) says(pod, line string) {
	e.Helper()
	log := e.log(e.Context(), pod)
	if !slices.Contains(strings.Split(log, "\n"), line) {
		e.Errorf("pod %s does not say %q:\n%s", pod, line, log)
	}
}

func (e *env) log(ctx context.Context, pod string) string {
	log, err := shared.clients.CoreV1().Pods(e.namespace).GetLogs(pod, &corev1.PodLogOptions{}).DoRaw(ctx)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// eventuallyPods waits until these are the pods of the namespace.
func (e *env) eventuallyPods(names ...string) {
	e.Helper()
	e.eventually(fmt.Sprintf("the pods are %v", names), func(context.Context) (bool, string) {
		seen := slices.Sorted(maps.Keys(e.pods()))
		return slices.Equal(seen, names), fmt.Sprint(seen)
	})
}
