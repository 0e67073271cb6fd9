// Package kubelet asks this node's kubelet: which devices pods hold, through its
// pod-resources API, and how its topology manager is set, through its
// configuration.
package kubelet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// Socket is where a kubelet serves its pod-resources API.
const Socket = "/var/lib/kubelet/pod-resources/kubelet.sock"

// answerWithin bounds each question. The kubelet answers from memory.
const answerWithin = 10 * time.Second

// maxAnswer bounds the size of an answer: the kubelet's own clients use the same.
const maxAnswer = 16 << 20

// ReadPodResources returns what the kubelet at the unix socket may give to pods
// and what they hold. It fails while the kubelet does not run. It connects each
// time, so that it never waits for the end of a pause after a failure.
func ReadPodResources(ctx context.Context, socket string) (*layout.Kubelet, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	connection, err := grpc.NewClient("unix:"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // a socket that only root may open
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, fmt.Errorf("addressing the kubelet at %s: %w", socket, err)
	}
	defer func() { _ = connection.Close() }() // all answers are in
	lister := podresources.NewPodResourcesListerClient(connection)
	// What is held is read last: a device that is given away between the two
	// questions is then seen as held.
	allocatable, err := lister.GetAllocatableResources(ctx, &podresources.AllocatableResourcesRequest{})
	if err != nil {
		return nil, fmt.Errorf("asking the kubelet what it may allocate: %w", err)
	}
	held, err := lister.List(ctx, &podresources.ListPodResourcesRequest{})
	if err != nil {
		return nil, fmt.Errorf("asking the kubelet what pods hold: %w", err)
	}
	return &layout.Kubelet{
		Devices: devices(allocatable.GetDevices()),
		CPUs:    numbers(allocatable.GetCpuIds()),
		Memory:  memory(allocatable.GetMemory()),
		Held:    heldBy(held.GetPodResources()),
	}, nil
}

func devices(list []*podresources.ContainerDevices) []layout.Device {
	var found []layout.Device
	for _, d := range list {
		for _, id := range d.GetDeviceIds() {
			found = append(found, layout.Device{Resource: d.GetResourceName(), ID: id, NUMA: nodes(d.GetTopology())})
		}
	}
	return found
}

func memory(list []*podresources.ContainerMemory) []layout.Memory {
	var found []layout.Memory
	for _, m := range list {
		found = append(found, layout.Memory{Type: m.GetMemoryType(), Bytes: int64(m.GetSize()), NUMA: nodes(m.GetTopology())})
	}
	return found
}

func nodes(topology *podresources.TopologyInfo) []int {
	var ids []int
	for _, node := range topology.GetNodes() {
		ids = append(ids, int(node.GetID()))
	}
	return ids
}

func numbers(ids []int64) []int {
	found := make([]int, 0, len(ids))
	for _, id := range ids {
		found = append(found, int(id))
	}
	return found
}

// heldBy sums up what all containers hold. What a pod holds as a whole includes
// what its containers hold.
func heldBy(pods []*podresources.PodResources) layout.Held {
	var held layout.Held
	for _, pod := range pods {
		held.CPUs = append(held.CPUs, numbers(pod.GetCpuIds())...)
		held.Memory = append(held.Memory, memory(pod.GetMemory())...)
		for _, container := range pod.GetContainers() {
			held.Devices = append(held.Devices, devices(container.GetDevices())...)
			held.CPUs = append(held.CPUs, numbers(container.GetCpuIds())...)
			if len(pod.GetMemory()) == 0 {
				held.Memory = append(held.Memory, memory(container.GetMemory())...)
			}
		}
	}
	slices.Sort(held.CPUs)
	held.CPUs = slices.Compact(held.CPUs)
	return held
}
