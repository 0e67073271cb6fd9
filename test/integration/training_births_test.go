package integration

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/metrics/legacyregistry"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

// births counts the pods that were ever created in a namespace, by name.
type births struct {
	mu   sync.Mutex
	pods map[string]map[types.UID]string // the value is the number of the attempt
	err  string
}

// countBirths counts from now on, until the test ends.
func (e *env) countBirths() *births {
	e.Helper()
	b := &births{pods: map[string]map[types.UID]string{}}
	pods, err := e.clients.CoreV1().Pods(e.namespace).Watch(e.Context(), metav1.ListOptions{ResourceVersion: "0"})
	e.do(err)
	go func() {
		for event := range pods.ResultChan() {
			b.mu.Lock()
			if pod, ok := event.Object.(*corev1.Pod); !ok {
				b.err = fmt.Sprintf("%+v", event.Object)
			} else if b.pods[pod.Name] == nil {
				b.pods[pod.Name] = map[types.UID]string{pod.UID: pod.Annotations[localcluster.AttemptAnnotation]}
			} else {
				b.pods[pod.Name][pod.UID] = pod.Annotations[localcluster.AttemptAnnotation]
			}
			b.mu.Unlock()
		}
	}()
	return b
}

// expectBirths waits until so many pods have been created under each name, for as many names, and checks that each says
// which attempt it is.
func (e *env) expectBirths(b *births, names, each int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d pods have been created under each of %d names", each, names), func(context.Context) (bool, string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.pods) != names || b.err != "" {
			return false, fmt.Sprintf("%d names: %v %s", len(b.pods), b.pods, b.err)
		}
		for name, born := range b.pods {
			attempts := map[string]bool{}
			for _, attempt := range born {
				attempts[attempt] = true
			}
			if len(born) != each || len(attempts) != each || !attempts[fmt.Sprint(each-1)] {
				return false, fmt.Sprintf("%s: %v", name, born)
			}
		}
		return true, ""
	})
}

// expectBirthsOf waits until so many pods have been created under a name.
func (e *env) expectBirthsOf(b *births, name string, n int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d pods have been created as %s", n, name), func(context.Context) (bool, string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.pods[name]) == n && b.err == "", fmt.Sprintf("%v %s", b.pods[name], b.err)
	})
}

// expectBirthsInAll waits until so many pods have been created under all names.
func (e *env) expectBirthsInAll(b *births, n int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d pods have been created", n), func(context.Context) (bool, string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		all := 0
		for _, born := range b.pods {
			all += len(born)
		}
		return all == n && b.err == "", fmt.Sprintf("%v %s", b.pods, b.err)
	})
}

// expectRestarts waits until the job has counted so many restarts.
func (e *env) expectRestarts(job trainingv1.Job, n int32) {
	e.Helper()
	e.eventually(fmt.Sprintf("job %s has made %d restarts", job.GetName(), n), func(context.Context) (bool, string) {
		state := now(e, job).State()
		return state.Restarts == n, fmt.Sprintf("%d: %+v", state.Restarts, state.RestartedPods)
	})
}

// vainCreations is how often somebody has asked the API server to create a pod that exists.
func vainCreations(e *env) int {
	e.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	e.do(err)
	n := 0
	for _, family := range families {
		if family.GetName() != "apiserver_request_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["resource"] == "pods" && labels["subresource"] == "" && labels["verb"] == "POST" && labels["code"] == "409" {
				n += int(metric.GetCounter().GetValue())
			}
		}
	}
	return n
}

// withoutManager stops the manager, does something, and starts the manager again.
func (e *env) withoutManager(do func()) {
	e.Helper()
	e.do(shared.cluster.StopManager())
	defer e.startManager()
	do()
}

// killManager cuts the manager off in what it is doing, and starts another.
func (e *env) killManager() {
	e.Helper()
	shared.cluster.KillManager()
	e.startManager()
}

func (e *env) startManager() {
	e.Helper()
	if err := shared.cluster.StartManager(context.Background()); err != nil {
		e.Errorf("starting the manager again: %v", err)
	}
}
