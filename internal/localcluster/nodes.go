package localcluster

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// LostAnnotation on a node, with the value "true", makes the node look like one
// that is no longer heard from; without it, the node becomes ready again.
const LostAnnotation = "local.muster.dev/lost"

// The labels that place a node in the building; a rack has rackSize nodes of one
// group, a block has blockSize racks.
const (
	rackLabel  = "topology.muster.dev/rack"
	blockLabel = "topology.muster.dev/block"
	rackSize   = 4
	blockSize  = 4
)

// parallelCreates is how many nodes are created at the same time.
const parallelCreates = 16

// DefaultNodes is one group of n nodes named node-0 and so on, each with 8
// nvidia.com/gpu, 64 CPUs, 512 GiB and room for 110 pods. It is empty for 0.
func DefaultNodes(n int) []NodeGroup {
	if n == 0 {
		return nil
	}
	return []NodeGroup{{Name: "node", Count: n, Capacity: defaultCapacity()}}
}

func defaultCapacity() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("64"),
		corev1.ResourceMemory: resource.MustParse("512Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
		"nvidia.com/gpu":      resource.MustParse("8"),
	}
}

// buildNodes makes the nodes of the groups, ready from the start. A group starts
// a new rack and a new block.
func buildNodes(groups []NodeGroup, now time.Time) []*corev1.Node {
	var nodes []*corev1.Node
	rack, block := -1, -1
	for _, group := range groups {
		for i := range group.Count {
			if i%rackSize == 0 {
				rack++
			}
			if i%(rackSize*blockSize) == 0 {
				block++
			}
			node := buildNode(group, fmt.Sprintf("%s-%d", group.Name, i), now)
			setDefault(node.Labels, rackLabel, "rack-"+strconv.Itoa(rack))
			setDefault(node.Labels, blockLabel, "block-"+strconv.Itoa(block))
			node.Status.Addresses = []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: nodeIP(len(nodes))},
				{Type: corev1.NodeHostName, Address: node.Name},
			}
			nodes = append(nodes, node)
		}
	}
	return nodes
}

func buildNode(group NodeGroup, name string, now time.Time) *corev1.Node {
	capacity := maps.Clone(group.Capacity)
	if capacity == nil {
		capacity = defaultCapacity()
	}
	if _, set := capacity[corev1.ResourcePods]; !set {
		capacity[corev1.ResourcePods] = resource.MustParse("110")
	}
	labels := map[string]string{
		"beta.kubernetes.io/arch": "amd64", // the controllers would add these two, a write per node
		"beta.kubernetes.io/os":   "linux",
		corev1.LabelHostname:      name,
		corev1.LabelArchStable:    "amd64",
		corev1.LabelOSStable:      "linux",
	}
	maps.Copy(labels, group.Labels)
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.NodeSpec{Taints: group.Taints},
		Status:     corev1.NodeStatus{Capacity: capacity},
	}
	node.Status = readyStatus(node, now)
	return node
}

func setDefault(labels map[string]string, key, value string) {
	if _, set := labels[key]; !set {
		labels[key] = value
	}
}

// nodeIP is the i-th address of 172.16.0.0/12, from which nodes get theirs.
func nodeIP(i int) string {
	i++ // .0 is the network
	return fmt.Sprintf("172.%d.%d.%d", 16+i>>16, i>>8&0xff, i&0xff)
}

// readyStatus is the status of a node that was just heard from. Everything that
// it has is allocatable unless it says otherwise.
func readyStatus(node *corev1.Node, now time.Time) corev1.NodeStatus {
	status := *node.Status.DeepCopy()
	if status.Allocatable == nil {
		status.Allocatable = maps.Clone(status.Capacity)
	}
	status.NodeInfo.KubeletVersion = kubernetesVersion
	status.NodeInfo.ContainerRuntimeVersion = "kwok://"
	status.NodeInfo.OperatingSystem = "linux"
	status.NodeInfo.Architecture = "amd64"
	status.Conditions = []corev1.NodeCondition{
		nodeCondition(node, corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", now),
		nodeCondition(node, corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", now),
		nodeCondition(node, corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", now),
		nodeCondition(node, corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", now),
	}
	return status
}

// lostStatus is what the node lifecycle controller writes when a kubelet is silent.
func lostStatus(node *corev1.Node, now time.Time) corev1.NodeStatus {
	return corev1.NodeStatus{Conditions: []corev1.NodeCondition{
		nodeCondition(node, corev1.NodeReady, corev1.ConditionUnknown, "NodeStatusUnknown", now),
	}}
}

// nodeCondition keeps the time of the last change if the node has the condition
// with this status already.
func nodeCondition(node *corev1.Node, kind corev1.NodeConditionType, status corev1.ConditionStatus, reason string, now time.Time) corev1.NodeCondition {
	c := corev1.NodeCondition{Type: kind, Status: status, Reason: reason, LastHeartbeatTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now)}
	for _, old := range node.Status.Conditions {
		if old.Type == kind && old.Status == status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
	return c
}

// createNodes creates the nodes and leaves alone those that exist.
func createNodes(ctx context.Context, client kubernetes.Interface, nodes []*corev1.Node) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelCreates)
	for _, node := range nodes {
		group.Go(func() error {
			_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
			if err != nil && !apierrors.IsAlreadyExists(err) {
				return fmt.Errorf("create node %s: %w", node.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}
