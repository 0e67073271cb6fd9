package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	resourcehelper "k8s.io/component-helpers/resource"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/witness"
)

// watcher follows every pod and node of the cluster. It notes whenever a node has more pods than it can hold, and
// keeps the history of every gang to be judged.
type watcher struct {
	mu      sync.Mutex
	pods    map[types.UID]*corev1.Pod
	nodes   map[string]*corev1.Node
	history []witness.Event
	gone    []*corev1.Pod
	faults  []string
	changed time.Time
}

// startWatcher returns once the watcher has seen what there is.
func startWatcher(ctx context.Context, client kubernetes.Interface) (*watcher, error) {
	w := &watcher{pods: map[types.UID]*corev1.Pod{}, nodes: map[string]*corev1.Node{}}
	factory := informers.NewSharedInformerFactory(client, 0)
	_, podErr := factory.Core().V1().Pods().Informer().AddEventHandler(handler(w.setPod, w.deletePod))
	_, nodeErr := factory.Core().V1().Nodes().Informer().AddEventHandler(handler(w.setNode, w.deleteNode))
	if err := errors.Join(podErr, nodeErr); err != nil {
		return nil, fmt.Errorf("watching the cluster: %w", err)
	}
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil, fmt.Errorf("watching the cluster: no %s", kind)
		}
	}
	return w, nil
}

func handler[T any](set, gone func(T)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { set(obj.(T)) },
		UpdateFunc: func(_, obj any) { set(obj.(T)) },
		DeleteFunc: func(obj any) {
			if tombstone, missed := obj.(cache.DeletedFinalStateUnknown); missed {
				obj = tombstone.Obj
			}
			gone(obj.(T))
		},
	}
}

func (w *watcher) setPod(pod *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = time.Now()
	w.pods[pod.UID] = pod
	switch {
	case pod.Status.Phase == corev1.PodSucceeded:
		w.note(pod, witness.Succeeded)
	case pod.Status.Phase == corev1.PodFailed || pod.DeletionTimestamp != nil:
		w.note(pod, witness.Gone)
	case pod.Spec.NodeName != "":
		w.note(pod, witness.Bound)
	}
	w.checkNode(pod.Spec.NodeName)
}

func (w *watcher) deletePod(pod *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = time.Now()
	delete(w.pods, pod.UID)
	w.gone = append(w.gone, pod)
	w.note(pod, witness.Gone)
}

func (w *watcher) setNode(node *corev1.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[node.Name] = node
	w.checkNode(node.Name)
}

func (w *watcher) deleteNode(node *corev1.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.nodes, node.Name)
}

func (w *watcher) note(pod *corev1.Pod, kind witness.Kind) {
	if gang := gangOf(pod); gang != "" {
		w.history = append(w.history, witness.Event{At: time.Now(), Gang: gang, Pod: string(pod.UID), Kind: kind})
	}
}

// gangOf names a pod's gang by its namespace and name; it is empty for a pod of none.
func gangOf(pod *corev1.Pod) string {
	if name := pod.Labels[schedulingv1alpha1.PodGroupLabel]; name != "" {
		return pod.Namespace + "/" + name
	}
	return ""
}

// checkNode notes a fault when the pods on a node ask for more than it has. Pods that are being deleted count until
// they are gone.
func (w *watcher) checkNode(name string) {
	node := w.nodes[name]
	if node == nil {
		return // bound pods of a node that is lost, or whose creation is still to be seen
	}
	used := corev1.ResourceList{}
	for _, pod := range w.pods {
		if pod.Spec.NodeName != name || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
		requests[corev1.ResourcePods] = quantity("1")
		delete(requests, extendedResource) // counted in ResourceSlices, not on the node
		for resource, amount := range requests {
			sum := used[resource]
			sum.Add(amount)
			used[resource] = sum
		}
	}
	for _, resource := range slices.Sorted(maps.Keys(used)) {
		amount, has := used[resource], node.Status.Allocatable[resource]
		if amount.Cmp(has) > 0 {
			w.faults = append(w.faults, fmt.Sprintf("node %s: %s of %s requested, %s allocatable", name, amount.String(), resource, has.String()))
		}
	}
}

// restart forgets the history, as a test begins.
func (w *watcher) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history, w.gone, w.faults = nil, nil, nil
}

// overcommitted lists the moments at which a node had more than it can hold.
func (w *watcher) overcommitted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.faults)
}

// judge passes a verdict on what was seen of gangs up to now.
func (w *watcher) judge(gangs []witness.Gang) []witness.Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	return witness.Judge(gangs, w.history, time.Now())
}

// in lists the pods of a namespace by name.
func (w *watcher) in(namespace string) []*corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	var pods []*corev1.Pod
	for _, pod := range w.pods {
		if pod.Namespace == namespace {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		if a.Name != b.Name && a.Name < b.Name {
			return -1
		}
		return 1
	})
	return pods
}

// goneFrom lists the pods of a namespace that do not exist any more.
func (w *watcher) goneFrom(namespace string) []*corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.gone), func(p *corev1.Pod) bool { return p.Namespace != namespace })
}

// counts returns how many pods and nodes there are.
func (w *watcher) counts() (pods, nodes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pods), len(w.nodes)
}

// quietFor returns how long no pod has changed.
func (w *watcher) quietFor() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.changed)
}
