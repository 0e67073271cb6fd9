package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

const gpu corev1.ResourceName = "nvidia.com/gpu"

// nodeGroups are the nodes of a workload, with room to spare for all but GPUs.
func (w workload) nodeGroups() []localcluster.NodeGroup {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("32"),
		corev1.ResourceMemory: resource.MustParse("256Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	if w.small {
		capacity[corev1.ResourceCPU], capacity[corev1.ResourceMemory] = resource.MustParse("4"), resource.MustParse("32Gi")
	}
	if w.gpusPerNode > 0 {
		capacity[gpu] = *resource.NewQuantity(int64(w.gpusPerNode), resource.DecimalSI)
	}
	return nodeGroups(localcluster.NodeGroup{Name: "node", Count: w.nodes, Capacity: capacity}, w.levels)
}

// nodeName names the i-th node of a workload without levels, counted round and round.
func (w workload) nodeName(i int) string { return fmt.Sprintf("node-%d", i%w.nodes) }

// pod is a pod of the shape that Kubernetes' own scheduler benchmarks use, bound to its gang in the words of a system.
func pod(system, namespace, gang string, index int, gpus bool) *corev1.Pod {
	requests := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("100m"),
		corev1.ResourceMemory: resource.MustParse("100Mi"),
	}
	resources := corev1.ResourceRequirements{Requests: requests}
	if gpus {
		requests[gpu] = resource.MustParse("1")
		resources.Limits = corev1.ResourceList{gpu: resource.MustParse("1")}
	}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-%d", gang, index)},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "main", Image: "registry.k8s.io/pause:3.10.1", Resources: resources}},
		},
	}
	switch system {
	case "native":
		p.Spec.SchedulingGroup = &corev1.PodSchedulingGroup{PodGroupName: &gang}
	case "muster":
		p.Spec.SchedulerName = schedulingv1alpha1.SchedulerName
		p.Labels = map[string]string{schedulingv1alpha1.PodGroupLabel: gang}
	case "raw":
		p.Spec.SchedulerName = "nobody"
	}
	return p
}

// gangOf is the gang that a pod made by pod belongs to.
func gangOf(p *corev1.Pod) string { return p.Name[:strings.LastIndexByte(p.Name, '-')] }

// createGangs creates the objects of all gangs of a workload.
func createGangs(ctx context.Context, c *clients, w workload, system string) error {
	for i := range w.gangs {
		if err := w.createGang(ctx, c, system, loadNamespace, gangName(i), w.queueOf(i)); err != nil {
			return err
		}
	}
	return nil
}

// createGang creates the object of a gang of so many pods that asks for nothing else.
func createGang(ctx context.Context, c *clients, system, namespace, gang string, size int, queue string) error {
	return workload{size: size}.createGang(ctx, c, system, namespace, gang, queue)
}

// createGang creates the object that makes a gang of the pods that will name it; raw knows none. queue names its queue;
// empty for none.
func (w workload) createGang(ctx context.Context, c *clients, system, namespace, gang, queue string) error {
	var err error
	switch system {
	case "native":
		want := w.nativeConstraints()
		var made *schedulingv1beta1.PodGroup
		made, err = c.kube.SchedulingV1beta1().PodGroups(namespace).Create(ctx, &schedulingv1beta1.PodGroup{
			ObjectMeta: metav1.ObjectMeta{Name: gang},
			Spec: schedulingv1beta1.PodGroupSpec{
				SchedulingPolicy: schedulingv1beta1.PodGroupSchedulingPolicy{
					Gang: &schedulingv1beta1.GangSchedulingPolicy{MinCount: int32(w.size)},
				},
				SchedulingConstraints: want,
			},
		}, metav1.CreateOptions{})
		if err == nil && want != nil && made.Spec.SchedulingConstraints == nil {
			err = errConstraintsDropped
		}
	case "muster":
		group := &podgroupv1alpha1.PodGroup{
			TypeMeta: metav1.TypeMeta{
				APIVersion: podgroupv1alpha1.SchemeGroupVersion.String(), Kind: "PodGroup",
			},
			ObjectMeta: metav1.ObjectMeta{Name: gang, Annotations: w.annotations()},
			Spec:       podgroupv1alpha1.PodGroupSpec{MinMember: int32(w.size)},
		}
		if queue != "" {
			group.Labels = map[string]string{schedulingv1alpha1.QueueLabel: queue}
		}
		err = createObject(ctx, c.dynamic.Resource(podGroups).Namespace(namespace), group)
	}
	if err != nil {
		return fmt.Errorf("creating the PodGroup %s/%s: %w", namespace, gang, err)
	}
	return nil
}

var podGroups = podgroupv1alpha1.SchemeGroupVersion.WithResource("podgroups")

// createObject creates an object for which there is no typed client.
func createObject(ctx context.Context, client dynamic.ResourceInterface, object any) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	_, err = client.Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{})
	return err
}

// bind does what a scheduler's last step is: it POSTs the binding of a pod to a node.
func bind(ctx context.Context, c *clients, p *corev1.Pod, node string) error {
	err := c.kube.CoreV1().Pods(p.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("binding the pod %s/%s: %w", p.Namespace, p.Name, err)
	}
	return nil
}

// clients speak to the API server without a limit of their own.
type clients struct {
	kube    kubernetes.Interface
	dynamic dynamic.Interface
}
