package integration

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

const gpuResource = corev1.ResourceName("nvidia.com/gpu")

func quantity(s string) resource.Quantity { return resource.MustParse(s) }

// cpu is a list of so many CPUs.
func cpu(n int) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(n), resource.DecimalSI)}
}

// gpu is a list of so many GPUs.
func gpu(n int) corev1.ResourceList {
	return corev1.ResourceList{gpuResource: *resource.NewQuantity(int64(n), resource.DecimalSI)}
}

// node is a ready node with the capacity and, unless it says otherwise, room for 110 pods.
func node(name string, capacity corev1.ResourceList, edits ...func(*corev1.Node)) *corev1.Node {
	capacity = capacity.DeepCopy()
	if _, set := capacity[corev1.ResourcePods]; !set {
		capacity[corev1.ResourcePods] = quantity("110")
	}
	ready := corev1.NodeCondition{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
	}
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity, Conditions: []corev1.NodeCondition{ready},
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "172.16.0.1"}, {Type: corev1.NodeHostName, Address: name}},
		},
	}
	for _, edit := range edits {
		edit(n)
	}
	return n
}

// nodes are n equal nodes.
func nodes(n int, capacity corev1.ResourceList, edits ...func(*corev1.Node)) []*corev1.Node {
	list := make([]*corev1.Node, n)
	for i := range list {
		list[i] = node(fmt.Sprintf("node-%d", i), capacity, edits...)
	}
	return list
}

func nodeLabel(key, value string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Labels[key] = value }
}

func nodeTaint(key string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	}
}

// podGroup asks for a minimum of members.
func podGroup(name string, minMember int32, edits ...func(*podgroupv1alpha1.PodGroup)) *podgroupv1alpha1.PodGroup {
	pg := &podgroupv1alpha1.PodGroup{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}},
		Spec:       podgroupv1alpha1.PodGroupSpec{MinMember: minMember},
	}
	for _, edit := range edits {
		edit(pg)
	}
	return pg
}

// minMembers asks for a minimum of each role, as JSON.
func minMembers(json string) func(*podgroupv1alpha1.PodGroup) {
	return func(pg *podgroupv1alpha1.PodGroup) { pg.Annotations[schedulingv1alpha1.MinMembersAnnotation] = json }
}

// pod is for Muster to place, as a member of a gang unless that is empty. It runs until it is deleted.
func pod(name, gang string, request corev1.ResourceList, edits ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}, Annotations: map[string]string{}},
		Spec: corev1.PodSpec{
			SchedulerName: schedulingv1alpha1.SchedulerName,
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "main", Image: "none", Resources: corev1.ResourceRequirements{Requests: request, Limits: request},
			}},
		},
	}
	if gang != "" {
		p.Labels[schedulingv1alpha1.PodGroupLabel] = gang
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

// members are n equal pods of a gang, named after it.
func members(gang string, n int, request corev1.ResourceList, edits ...func(*corev1.Pod)) []*corev1.Pod {
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		pods[i] = pod(fmt.Sprintf("%s-%d", gang, i), gang, request, edits...)
	}
	return pods
}

// role gives a member its role, and its name a stem, so that a gang can have several.
func role(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Labels[schedulingv1alpha1.RoleLabel] = name
		p.Name = p.Name + "-" + name
	}
}

func podLabel(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels[key] = value }
}

func annotation(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations[key] = value }
}

func onNodesWith(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{key: value} }
}
