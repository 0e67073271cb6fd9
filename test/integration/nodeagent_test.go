package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gangs "github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/nodeagent"
	"github.com/muster-scheduling/muster/nodeagent/gpus"
	"github.com/muster-scheduling/muster/nodeagent/kubelet/kubelettest"
	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// fourGPUs is a driver with four GPUs, two on each NUMA node and linked with each other.
type fourGPUs struct{}

func (fourGPUs) Read() (layout.Hardware, error) {
	hardware := layout.Hardware{Driver: "550.54.15", CUDA: 12040, Connections: []layout.Connection{{A: 0, B: 1, NVLinks: 4}, {A: 2, B: 3, NVLinks: 4}}}
	for i := range 4 {
		hardware.GPUs = append(hardware.GPUs, layout.GPU{
			Index: i, UUID: fmt.Sprintf("GPU-%d", i), Product: "NVIDIA A100-SXM4-40GB", MemoryMiB: 40960, ComputeMajor: 8, NUMA: i / 2,
		})
	}
	return hardware, nil
}

func (fourGPUs) Wait(time.Duration) (*gpus.Event, error) { return nil, gpus.ErrNoEvents }

func (fourGPUs) Close() error { return nil }

// holding is what a kubelet says of pods that hold one GPU each.
func holding(ids ...string) (pods []*podresources.PodResources) {
	for _, id := range ids {
		pods = append(pods, &podresources.PodResources{Name: "holds-" + id, Containers: []*podresources.ContainerResources{
			{Devices: []*podresources.ContainerDevices{{ResourceName: layout.GPUResource, DeviceIds: []string{id}}}},
		}})
	}
	return pods
}

// The agent on a node tells which GPUs are near each other and in use, and the scheduler goes by it: two free GPUs that are not
// linked are no place for a pod that asks for linked ones, until one comes free beside another.
func TestNodeAgentAndScheduler(t *testing.T) {
	machine := node("machine", gpu(4))
	e := setUp(t, machine)
	kubelet := kubelettest.New(t)
	offer := &podresources.AllocatableResourcesResponse{Devices: []*podresources.ContainerDevices{
		{ResourceName: layout.GPUResource, DeviceIds: []string{"GPU-0", "GPU-1", "GPU-2", "GPU-3"}},
	}}
	kubelet.Set(offer, holding("GPU-0", "GPU-2"))
	kubelet.Start()
	e.queue("q")
	e.gang("a", 1, gpu(1))
	e.gang("b", 1, gpu(1))
	e.expectBound("a", 1)
	e.expectBound("b", 1)

	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() {
		stopped <- nodeagent.Run(ctx, nodeagent.Config{
			NodeName: "machine", API: shared.cluster.RESTConfig(), Open: func() (nodeagent.GPUs, error) { return fourGPUs{}, nil },
			PodResources: kubelet.Socket, Sysfs: t.TempDir(), Interval: 100 * time.Millisecond, Refresh: time.Minute, RecoverAfter: time.Minute,
		})
	}()
	t.Cleanup(func() {
		stop()
		e.do(<-stopped)
	})
	report := &nrt.NodeResourceTopology{ObjectMeta: metav1.ObjectMeta{Name: "machine"}}
	e.global = append(e.global, report)
	e.eventually("the agent reports the node", func(ctx context.Context) (bool, string) {
		err := e.client.Get(ctx, client.ObjectKeyFromObject(report), report)
		return err == nil && len(report.Zones) == 4, fmt.Sprint(report.Zones, err)
	})
	e.eventually("the node is labelled", func(ctx context.Context) (bool, string) {
		labelled := &corev1.Node{}
		err := e.client.Get(ctx, client.ObjectKeyFromObject(machine), labelled)
		return labelled.Labels["nvidia.com/gpu.product"] == "NVIDIA-A100-SXM4-40GB", fmt.Sprint(labelled.Labels, err)
	})

	e.eventually("the scheduler knows the report", func(context.Context) (bool, string) {
		answer := e.whatIf("q", "pair", 1, gpu(2), linked("nvlink"))
		return strings.Contains(answer.Message, "NVLink island"), fmt.Sprintf("%+v", answer)
	})
	e.gang("pair", 1, gpu(2), linked("nvlink"))
	e.expectReason(gangs.Unschedulable, 1)
	e.expectEvent("PodGroup", "pair", string(gangs.Unschedulable), "no NVLink island has 2 nvidia.com/gpu free")
	e.delete(e.asObjects("b")...)
	kubelet.Set(offer, holding("GPU-0"))
	e.expectBound("pair", 1)
}
