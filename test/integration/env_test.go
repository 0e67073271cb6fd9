package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

const (
	// deadline is how long a test waits for what must happen. Far longer than it takes: it only ends a wait in vain.
	deadline = time.Minute
	// pollPeriod is how often a test looks.
	pollPeriod = 20 * time.Millisecond
)

// env is what one test has of the shared cluster: a namespace, the nodes that it creates, and the watcher's eye.
type env struct {
	*testing.T
	client    client.Client
	clients   kubernetes.Interface
	namespace string
	// broken names the gangs that the test breaks on purpose: they may run below their minimum.
	broken map[string]bool
	// configured is set when the test started the scheduler with a configuration of its own.
	configured bool
	// global are the objects outside of the namespace that go with the test.
	global []client.Object
	// queues are the names of the Queues that go with the test, after all that is in them; rounds is how often everything
	// has been judged anew.
	queues []string
	rounds int
}

// setUp gives a test a namespace and nodes. When the test ends, it checks what must always hold, shows the state if
// the test failed, and removes everything.
func setUp(t *testing.T, nodes ...*corev1.Node) *env {
	t.Helper()
	e := &env{T: t, client: shared.client, clients: shared.clients, broken: map[string]bool{}}
	e.eventually("the last test's gangs are forgotten", func(context.Context) (bool, string) {
		waiting := gangMetrics()
		return waiting.total == 0, fmt.Sprintf("%+v", waiting)
	})
	shared.watcher.restart()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	e.do(e.client.Create(t.Context(), namespace))
	e.namespace = namespace.Name
	t.Cleanup(e.tearDown)
	e.createNodes(nodes...)
	e.eventually("the account that pods run as exists", func(ctx context.Context) (bool, string) {
		err := e.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: "default"}, &corev1.ServiceAccount{})
		return err == nil, fmt.Sprint(err)
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

// create creates objects one after the other, in the test's namespace unless they belong to none.
func (e *env) create(objects ...client.Object) {
	e.Helper()
	for _, object := range objects {
		namespaced, err := e.client.IsObjectNamespaced(object)
		e.do(err)
		gvk, err := e.client.GroupVersionKindFor(object)
		e.do(err)
		switch {
		case namespaced:
			object.SetNamespace(e.namespace)
		case gvk.Kind == "Queue":
			e.queues = append(e.queues, object.GetName()) // It may only go after the gangs in it.
		default:
			e.global = append(e.global, object)
		}
		e.do(e.client.Create(e.Context(), object))
	}
}

// createNodes creates nodes that go with the test.
func (e *env) createNodes(nodes ...*corev1.Node) {
	e.Helper()
	for _, node := range nodes {
		e.do(e.client.Create(e.Context(), node))
	}
}

// createPods creates pods one after the other.
func (e *env) createPods(pods ...*corev1.Pod) {
	e.Helper()
	for _, pod := range pods {
		e.create(pod)
	}
}

// delete deletes objects of the test's namespace, with the grace that they ask for.
func (e *env) delete(objects ...client.Object) {
	e.Helper()
	for _, object := range objects {
		if err := e.client.Delete(e.Context(), object); !apierrors.IsNotFound(err) {
			e.do(err)
		}
	}
}

// gang creates a PodGroup with all of its members as its minimum.
func (e *env) gang(name string, n int, request corev1.ResourceList, edits ...func(*corev1.Pod)) []*corev1.Pod {
	e.Helper()
	e.create(podGroup(name, int32(n)))
	pods := members(name, n, request, edits...)
	e.createPods(pods...)
	return pods
}

// getPodGroup reads a PodGroup as it is now.
func (e *env) getPodGroup(name string) *podgroupv1alpha1.PodGroup {
	e.Helper()
	pg := &podgroupv1alpha1.PodGroup{}
	e.do(e.client.Get(e.Context(), client.ObjectKey{Namespace: e.namespace, Name: name}, pg))
	return pg
}

// nextSecond returns once the API server stamps objects with a later second than before. Gangs of equal priority go by
// the time of their PodGroup, which is told in seconds.
func (e *env) nextSecond() {
	e.Helper()
	var first time.Time
	e.eventually("a second passes", func(ctx context.Context) (bool, string) {
		probe := podGroup("probe", 1)
		probe.Namespace = e.namespace
		if err := e.client.Create(ctx, probe, client.DryRunAll); err != nil {
			return false, err.Error()
		}
		if first.IsZero() {
			first = probe.CreationTimestamp.Time
		}
		return probe.CreationTimestamp.After(first), ""
	})
}

// eventually waits until the condition holds, and fails the test with what it last said when it does not in time.
func (e *env) eventually(what string, condition func(context.Context) (bool, string)) {
	e.Helper()
	if err := poll(e.Context(), condition); err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

func poll(ctx context.Context, condition func(context.Context) (bool, string)) error {
	var last string
	err := wait.PollUntilContextTimeout(ctx, pollPeriod, deadline, true, func(ctx context.Context) (ok bool, _ error) {
		ok, last = condition(ctx)
		return ok, nil
	})
	if err != nil {
		return fmt.Errorf("%w; last seen: %s", err, last)
	}
	return nil
}

// tearDown checks what must hold at the end of every test and removes what the test made.
func (e *env) tearDown() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*deadline)
	defer cancel()
	e.checkInvariants(ctx)
	if e.Failed() {
		e.dump(ctx)
	}
	if err := e.wipe(ctx); err != nil {
		e.Errorf("cleaning up: %v", err)
	}
	if e.configured {
		shared.cluster.KillScheduler()
		if err := errors.Join(writeSchedulerConfig(shared.schedulerConfig, shared.cluster.Kubeconfig(), ""), shared.cluster.StartScheduler(ctx)); err != nil {
			e.Errorf("starting the scheduler with its default configuration: %v", err)
		}
	}
}

// wipe deletes the namespace, all pods and all nodes. The namespace goes on ending in the background; nothing can be
// created in it any more.
func (e *env) wipe(ctx context.Context) error {
	if err := e.clients.CoreV1().Namespaces().Delete(ctx, e.namespace, metav1.DeleteOptions{}); err != nil {
		return err
	}
	if err := e.client.DeleteAllOf(ctx, &podgroupv1alpha1.PodGroup{}, client.InNamespace(e.namespace)); err != nil {
		return err
	}
	for _, object := range e.global {
		err := e.client.Delete(ctx, object)
		if err == nil { // what uses it goes as well: no need to protect it
			err = e.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
		}
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	err := poll(ctx, func(ctx context.Context) (bool, string) {
		podsErr := e.client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(e.namespace), client.GracePeriodSeconds(0))
		nodesErr := e.client.DeleteAllOf(ctx, &corev1.Node{})
		pods, nodes := shared.watcher.counts()
		return pods == 0 && nodes == 0, fmt.Sprintf("%d pods (%v) and %d nodes (%v) are left", pods, podsErr, nodes, nodesErr)
	})
	return errors.Join(err, e.deleteQueues(ctx, e.queues...))
}
