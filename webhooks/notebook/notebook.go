// Package notebook finds out whether a notebook may be firm, which is one that nothing evicts: how many firm ones its user has
// already, and whether the guarantee of its queue has room for it.
package notebook

import (
	"cmp"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	resourcehelper "k8s.io/component-helpers/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/podpolicy"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/workload"
)

const (
	// label is what Kubeflow's notebook controller, and Muster's, give the pods of notebooks.
	label = "notebook-name"

	// creator is the annotation that says, on a Notebook, who made it; owner that which says, on a Namespace, whose it is.
	creator = "notebooks.kubeflow.org/creator"
	owner   = "owner"

	// deepest is how many queues a chain of parents may have.
	deepest = 64
)

// Look adds to the surroundings of a notebook's pod what its user has in firm pods, where a policy wants to know it. r should ask
// the API server: a cache may not hold these pods. Two notebooks that are created at the same moment do not see each other.
func Look(ctx context.Context, r client.Reader, pod *corev1.Pod, all []workload.Owner, around *podpolicy.Surroundings) error {
	if _, ours := pod.Labels[label]; !ours || around.Firm == nil {
		return nil
	}
	user, err := userOf(ctx, r, pod, all)
	if err != nil {
		return err
	}
	around.Firm.User = user
	firm, err := firmPods(ctx, r, pod)
	if err != nil {
		return err
	}
	pods := int32(0)
	for _, other := range firm {
		who, counted := other.Annotations[v1alpha1.FirmForAnnotation]
		if other.Namespace == pod.Namespace && (!counted || who == user) {
			pods++
		}
	}
	around.Firm.Pods = pods
	queue := cmp.Or(pod.Labels[v1alpha1.QueueLabel], workload.First(all, workload.Label(v1alpha1.QueueLabel)),
		around.Namespace.Labels[v1alpha1.QueueLabel], v1alpha1.DefaultQueue)
	around.Firm.Fits, err = fits(ctx, r, pod, queue, firm)
	return err
}

// userOf is who made the notebook, else whose namespace it is, else nobody in particular.
func userOf(ctx context.Context, r client.Reader, pod *corev1.Pod, all []workload.Owner) (string, error) {
	made := workload.First(all, func(o workload.Owner) string { return o.Annotations[creator] })
	if user := cmp.Or(pod.Annotations[creator], made); user != "" {
		return user, nil
	}
	namespace := &corev1.Namespace{}
	if err := r.Get(ctx, client.ObjectKey{Name: pod.Namespace}, namespace); err != nil {
		return "", fmt.Errorf("read whose namespace %s is: %w", pod.Namespace, err)
	}
	return namespace.Annotations[owner], nil
}

// firmPods are the pods of other notebooks, of all namespaces, that nothing evicts.
func firmPods(ctx context.Context, r client.Reader, pod *corev1.Pod) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	// From the API server's cache: what is a moment old will do, and costs etcd nothing.
	recent := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}
	if err := r.List(ctx, list, client.HasLabels{label}, recent); err != nil {
		return nil, fmt.Errorf("list notebooks: %w", err)
	}
	var firm []corev1.Pod
	for _, other := range list.Items {
		ended := other.Status.Phase == corev1.PodSucceeded || other.Status.Phase == corev1.PodFailed
		same := other.Namespace == pod.Namespace && other.Name == pod.Name
		if !ended && !same && other.Annotations[v1alpha1.PreemptibleAnnotation] == "false" {
			firm = append(firm, other)
		}
	}
	return firm, nil
}

// fits says whether what the queue, and those above it, guarantee has room for the pod beside the firm notebooks. The scheduler
// would let it wait for ever otherwise.
func fits(ctx context.Context, r client.Reader, pod *corev1.Pod, queue string, firm []corev1.Pod) (bool, error) {
	books := ledger.New()
	for name, depth := queue, 0; name != "" && depth < deepest; depth++ {
		q := &v1alpha1.Queue{}
		err := r.Get(ctx, client.ObjectKey{Name: name}, q)
		if apierrors.IsNotFound(err) {
			break
		} else if err != nil {
			return false, fmt.Errorf("read Queue %s: %w", name, err)
		}
		books.SetQueue(ledger.Queue{Name: name, Parent: q.Spec.Parent, Guarantee: amounts(q.Spec.Guarantee)})
		name = q.Spec.Parent
	}
	inQueue, err := namespacesOf(ctx, r, queue)
	if err != nil {
		return false, err
	}
	for _, other := range firm {
		if theirs := other.Labels[v1alpha1.QueueLabel]; theirs == queue || theirs == "" && inQueue.Has(other.Namespace) {
			books.Charge(queue, request(&other), true)
		}
	}
	return books.Check(queue, request(pod), true) == nil, nil
}

// namespacesOf are those whose pods are in the queue unless they name another. Of the default queue they are not known: pods there
// that name it are counted, and it need not guarantee anything.
func namespacesOf(ctx context.Context, r client.Reader, queue string) (sets.Set[string], error) {
	list := &corev1.NamespaceList{}
	if err := r.List(ctx, list, client.MatchingLabels{v1alpha1.QueueLabel: queue}); err != nil {
		return nil, fmt.Errorf("list the namespaces of queue %s: %w", queue, err)
	}
	names := sets.New[string]()
	for _, namespace := range list.Items {
		names.Insert(namespace.Name)
	}
	return names, nil
}

// request is what the pod asks of its queue.
func request(pod *corev1.Pod) resource.Amounts {
	all := amounts(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
	all[string(corev1.ResourcePods)] = 1
	return all
}

// amounts are in the units of internal/resource: thousandths of a core, and whole units of all else.
func amounts(list corev1.ResourceList) resource.Amounts {
	all := resource.Amounts{}
	for name, quantity := range list {
		if name == corev1.ResourceCPU {
			all[string(name)] = quantity.MilliValue()
		} else {
			all[string(name)] = quantity.Value()
		}
	}
	return all
}
