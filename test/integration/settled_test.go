package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// expectLeftAlone checks that manager and scheduler write nothing to jobs that all run: not even when they start anew and
// look at each of them for the first time.
func (e *env) expectLeftAlone(kinds map[string]string, pods map[string]int) {
	e.Helper()
	e.eventually("all is said of all jobs", func(ctx context.Context) (bool, string) { return e.allSaid(ctx, kinds, pods) })
	before := e.versions(slices.Collect(maps.Values(kinds)))
	shared.cluster.KillScheduler()
	e.withoutManager(func() { e.startScheduler("") })
	last := pyTorchJob("last", specs{"Worker": replicas(1, nil)})
	e.create(last) // by the time that this one runs, they have gone through those before
	e.expectConditions(last, "Created Running")
	for name, version := range e.versions(slices.Collect(maps.Values(kinds))) {
		if was, there := before[name]; there && was != version {
			e.Errorf("%s was written again", name)
		}
		delete(before, name)
	}
	if len(before) > 0 {
		e.Errorf("gone are %v", before)
	}
}

// allSaid says whether the status of each job counts all of its pods, and each PodGroup has a phase that lasts.
func (e *env) allSaid(ctx context.Context, kinds map[string]string, pods map[string]int) (bool, string) {
	for name, kind := range kinds {
		job := &unstructured.Unstructured{}
		job.SetGroupVersionKind(trainingv1.GroupVersion.WithKind(kind))
		if err := e.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: name}, job); err != nil {
			return false, err.Error()
		}
		statuses, _, err := unstructured.NestedMap(job.Object, "status", "replicaStatuses")
		if err != nil {
			return false, err.Error()
		}
		active := int64(0)
		for replica := range statuses {
			n, _, err := unstructured.NestedInt64(statuses, replica, "active")
			if err != nil {
				return false, err.Error()
			}
			active += n
		}
		if active != int64(pods[name]) {
			return false, fmt.Sprintf("%s says that %d of %d pods are active", name, active, pods[name])
		}
	}
	groups := &podgroupv1alpha1.PodGroupList{}
	if err := e.client.List(ctx, groups, client.InNamespace(e.namespace)); err != nil {
		return false, err.Error()
	}
	for _, group := range groups.Items {
		if phase := group.Status.Phase; phase == "" || phase == podgroupv1alpha1.PodGroupPending {
			return false, fmt.Sprintf("PodGroup %s is %q", group.Name, phase)
		}
	}
	return true, ""
}

// versions are the resource versions of all that belongs to jobs in the namespace, and of the PodPolicies.
func (e *env) versions(kinds []string) map[string]string {
	e.Helper()
	all := []schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("Pod"), corev1.SchemeGroupVersion.WithKind("Service"),
		podgroupv1alpha1.SchemeGroupVersion.WithKind("PodGroup"), schedulingv1alpha1.GroupVersion.WithKind("PodPolicy"),
	}
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		all = append(all, trainingv1.GroupVersion.WithKind(kind))
	}
	versions := map[string]string{}
	for _, gvk := range all {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		e.do(e.client.List(e.Context(), list, client.InNamespace(e.namespace)))
		for _, object := range list.Items {
			versions[gvk.Kind+" "+object.GetName()] = object.GetResourceVersion()
		}
	}
	return versions
}
