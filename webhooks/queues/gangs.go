package queues

import (
	"cmp"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// pageSize is how many pods are asked for at a time.
const pageSize = 1000

// unfinished are the pods that Muster places or has placed, and that have not ended.
var unfinished = fields.ParseSelectorOrDie("spec.schedulerName=" + v1alpha1.SchedulerName + ",status.phase!=Succeeded,status.phase!=Failed")

// gangsIn says that a queue which is to be deleted has gangs in it, as they are now: a queue's status follows with a delay. It
// reads no more of the pods than their labels, and stops at the first that it finds.
func (h *Handler) gangsIn(ctx context.Context, queue string) (string, error) {
	ofGroup, err := h.queuesOfGroups(ctx)
	if err != nil {
		return "", err
	}
	ofNamespace, err := h.queuesOfNamespaces(ctx)
	if err != nil {
		return "", err
	}
	pods := listOf(corev1.SchemeGroupVersion.WithKind("PodList"))
	for {
		err := h.Live.List(ctx, pods, client.MatchingFieldsSelector{Selector: unfinished}, client.Limit(pageSize), client.Continue(pods.Continue))
		if err != nil {
			return "", fmt.Errorf("list pods: %w", err)
		}
		for _, pod := range pods.Items {
			group := client.ObjectKey{Namespace: pod.Namespace, Name: pod.Labels[v1alpha1.PodGroupLabel]}
			in := cmp.Or(ofGroup[group], pod.Labels[v1alpha1.QueueLabel], ofNamespace[pod.Namespace], v1alpha1.DefaultQueue)
			if in == queue {
				return fmt.Sprintf("queue %s has gangs, pod %s/%s among them: wait for them, move them to another queue or delete them first",
					queue, pod.Namespace, pod.Name), nil
			}
		}
		if pods.Continue == "" {
			return "", nil
		}
	}
}

// queuesOfGroups returns the queues that PodGroups name.
func (h *Handler) queuesOfGroups(ctx context.Context) (map[client.ObjectKey]string, error) {
	groups := listOf(schema.GroupVersionKind{Group: "scheduling.x-k8s.io", Version: "v1alpha1", Kind: "PodGroupList"})
	if err := h.Live.List(ctx, groups, client.HasLabels{v1alpha1.QueueLabel}); err != nil {
		return nil, fmt.Errorf("list PodGroups: %w", err)
	}
	queues := make(map[client.ObjectKey]string, len(groups.Items))
	for _, group := range groups.Items {
		queues[client.ObjectKeyFromObject(&group)] = group.Labels[v1alpha1.QueueLabel]
	}
	return queues, nil
}

// queuesOfNamespaces returns the queues that namespaces name.
func (h *Handler) queuesOfNamespaces(ctx context.Context) (map[string]string, error) {
	namespaces := &corev1.NamespaceList{}
	if err := h.Reader.List(ctx, namespaces); err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	queues := map[string]string{}
	for _, namespace := range namespaces.Items {
		queues[namespace.Name] = namespace.Labels[v1alpha1.QueueLabel]
	}
	return queues, nil
}

func listOf(gvk schema.GroupVersionKind) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(gvk)
	return list
}
