package gangs

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/workload"
)

// lookAgain is how soon pods are counted again on which the minimum depends and whose end the workload does not tell.
const lookAgain = time.Minute

// gang is what the workload says about its gang now, and how soon to look again; 0 for when something changes.
func (r *reconciler) gang(ctx context.Context, object *unstructured.Unstructured, ref workload.Ref, key types.NamespacedName) (workload.Gang, time.Duration, error) {
	gang, together := workload.Part(object, ref.Part)
	if !together {
		gang.MinMember, gang.Why = 1, "its pods start one by one: "+gang.Why
	}
	left, bounded := workload.Left(object)
	if !bounded || left >= gang.MinMember {
		return gang, 0, nil
	}
	done, err := r.count(ctx, key, client.MatchingLabels{v1alpha1.PodGroupLabel: key.Name}, client.MatchingFields{"status.phase": "Succeeded"})
	if err != nil {
		return gang, 0, err
	}
	return gang.Lower(object, done), lookAgain, nil
}

// mayHaveStrays says whether it is worth a look whether pods of the workload have no gang, because nobody served webhooks when they
// were created: when the group is new, when pods come later than the others, and as long as there were some.
func mayHaveStrays(group *podgroupv1alpha1.PodGroup, gang workload.Gang, pods []metav1.PartialObjectMetadata, now time.Time) bool {
	if group == nil || group.Spec.MinMember < gang.MinMember {
		return true
	}
	const together = 10 * time.Second
	for _, pod := range pods {
		if born := pod.CreationTimestamp.Time; born.Sub(group.CreationTimestamp.Time) > together && now.Sub(born) < lookAgain {
			return true
		}
	}
	return false
}

// strays counts the pods of the workload that have not ended and are not in its gang. The others must not wait for them.
func (r *reconciler) strays(ctx context.Context, ref workload.Ref, key types.NamespacedName) (int32, error) {
	mine := client.MatchingLabels(ref.Selector())
	all, err := r.count(ctx, key, mine, alive)
	if err != nil {
		return 0, err
	}
	mine[v1alpha1.PodGroupLabel] = key.Name
	members, err := r.count(ctx, key, mine, alive)
	return max(0, all-members), err
}

var alive = client.MatchingFieldsSelector{Selector: fields.ParseSelectorOrDie("status.phase!=Succeeded,status.phase!=Failed")}

// count asks the API server for how many pods there are, those on their way out aside.
func (r *reconciler) count(ctx context.Context, key types.NamespacedName, options ...client.ListOption) (int32, error) {
	pods := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	if err := r.live.List(ctx, pods, append(options, client.InNamespace(key.Namespace))...); err != nil {
		return 0, fmt.Errorf("count pods for PodGroup %s: %w", key, err)
	}
	n := int32(0)
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			n++
		}
	}
	return n, nil
}
