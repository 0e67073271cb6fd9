package nodeagent

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/muster-scheduling/muster/nodeagent/gpus"
	"github.com/muster-scheduling/muster/nodeagent/health"
	"github.com/muster-scheduling/muster/nodeagent/kube"
	"github.com/muster-scheduling/muster/nodeagent/kube/kubetest"
)

var allFree = []string{
	"Node node-0 nvidia.com/gpu=2/2/2", "Node node-1 nvidia.com/gpu=2/2/2",
	"NVLink nvlink-0 nvidia.com/gpu=2/2/2", "NVLink nvlink-1 nvidia.com/gpu=2/2/2",
}

var gpu3Taken = []string{
	"Node node-0 nvidia.com/gpu=2/2/2", "Node node-1 nvidia.com/gpu=1/2/2",
	"NVLink nvlink-0 nvidia.com/gpu=2/2/2", "NVLink nvlink-1 nvidia.com/gpu=1/2/2",
}

func TestWritesWhatChanged(t *testing.T) {
	b := newBench(t)
	b.api.SetLabel("nfd-master", "nvidia.com/gpu.family", "theirs")
	b.after(0)
	b.expect(allFree...)
	labels := b.api.Node().Labels
	if labels["nvidia.com/gpu.product"] != "NVIDIA-A100-SXM4-40GB" || labels["nvidia.com/gpu.count"] != "4" || labels["nvidia.com/gpu.family"] != "theirs" {
		t.Errorf("labels %v", labels)
	}
	if got := b.condition(); got != "True all 4 GPUs work" {
		t.Errorf("condition %q", got)
	}
	policy := nrt.AttributeInfo{Name: "topologyManagerPolicy", Value: "restricted"}
	if got := b.api.Topology().Attributes; !slices.Contains(got, policy) {
		t.Errorf("attributes %v", got)
	}

	before := b.api.Requests()
	for range 10 {
		b.after(10 * time.Second)
	}
	if got := b.api.Requests(); got != before {
		t.Errorf("%d requests though nothing changed", got-before)
	}
	b.node.Set(offer(), podWith("GPU-3"))
	b.after(10 * time.Second)
	b.expect(gpu3Taken...)
	if got := strings.Join(b.api.Writes(), " "); got != "PATCH nodes PATCH status POST noderesourcetopologies PUT noderesourcetopologies" {
		t.Errorf("writes %s", got)
	}
	if b.tells() != "" {
		t.Errorf("events %s", b.tells())
	}
}

func TestRefreshRestoresWhatOthersRemoved(t *testing.T) {
	b := newBench(t)
	b.after(0)
	b.api.SetTopology(nil)
	b.after(4 * time.Minute)
	b.expect("none")
	b.after(time.Minute)
	b.expect(allFree...)
}

func TestXidErrors(t *testing.T) {
	b := newBench(t)
	b.after(0)
	for _, xid := range []uint64{13, 31, 43, 45, 63, 94} {
		if b.happened(b.context(), gpus.Event{GPU: "GPU-3", Instance: health.Whole, Xid: xid}, b.now) {
			t.Errorf("Xid %d of an application calls for a turn", xid)
		}
	}
	b.after(10 * time.Second)
	b.expect(allFree...)

	fatal := gpus.Event{GPU: "GPU-3", Instance: health.Whole, Xid: 79}
	if !b.happened(b.context(), fatal, b.now) {
		t.Fatal("Xid 79 calls for no turn")
	}
	b.after(0)
	b.expect(gpu3Taken...)
	if got := b.condition(); !strings.HasPrefix(got, "False 1 of 4 GPUs failed; GPU 3") || !strings.Contains(got, "Xid 79") {
		t.Errorf("condition %q", got)
	}
	taint := corev1.Taint{Key: kube.TaintKey, Effect: corev1.TaintEffectNoSchedule}
	if got := b.api.Node().Spec.Taints; !slices.Contains(got, taint) {
		t.Errorf("taints %v", got)
	}
	if b.tells() != "GPUUnhealthy" {
		t.Errorf("events %s", b.tells())
	}

	writes := len(b.api.Writes())
	if b.happened(b.context(), fatal, b.now.Add(time.Second)) {
		t.Error("what keeps happening calls for a turn each time")
	}
	b.after(time.Second)
	if got := b.api.Writes(); len(got) != writes {
		t.Errorf("writes %v", got[writes:])
	}

	b.after(9 * time.Minute)
	b.expect(gpu3Taken...)
	b.after(time.Minute)
	b.expect(allFree...)
	node := b.api.Node()
	if len(node.Spec.Taints) != 0 || node.Annotations[kube.FaultsAnnotation] != "" || b.condition() != "True all 4 GPUs work" {
		t.Errorf("taints %v, annotations %v, condition %q", node.Spec.Taints, node.Annotations, b.condition())
	}
	if b.tells() != "GPUUnhealthy GPURecovered" {
		t.Errorf("events %s", b.tells())
	}
}

func TestXidErrorsThatAreIgnoredOrOfNoKnownGPU(t *testing.T) {
	b := newBench(t)
	b.IgnoreXids = []uint64{74}
	b.after(0)
	if b.happened(b.context(), gpus.Event{GPU: "GPU-3", Instance: health.Whole, Xid: 74}, b.now) {
		t.Error("an Xid that is ignored here calls for a turn")
	}
	b.happened(b.context(), gpus.Event{Instance: health.Whole, Xid: 48}, b.now)
	b.after(0)
	if got := b.condition(); !strings.HasPrefix(got, "False 4 of 4 GPUs failed") {
		t.Errorf("after an Xid of nobody knows which GPU: %q", got)
	}
}

func TestFaultsOutliveTheAgent(t *testing.T) {
	b := newBench(t)
	b.after(0)
	b.happened(b.context(), gpus.Event{GPU: "GPU-3", Instance: health.Whole, Xid: 79}, b.now)
	b.after(time.Second)
	b.restart("boot-1")
	b.after(time.Second)
	b.expect(gpu3Taken...)
	if len(b.api.Node().Spec.Taints) != 1 || b.tells() != "GPUUnhealthy" {
		t.Errorf("after a restart: taints %v, events %s", b.api.Node().Spec.Taints, b.tells())
	}
	b.restart("boot-2")
	b.after(time.Second)
	b.expect(allFree...)
	if len(b.api.Node().Spec.Taints) != 0 {
		t.Errorf("after a boot: taints %v", b.api.Node().Spec.Taints)
	}
}

func TestLostGPUComesBack(t *testing.T) {
	b := newBench(t)
	b.after(0)
	b.driver.set(func() { b.driver.broken[3] = "NVML cannot read it: ERROR_GPU_IS_LOST" })
	b.after(10 * time.Second)
	b.expect(gpu3Taken...)
	b.driver.set(func() { delete(b.driver.broken, 3) })
	b.after(10 * time.Second)
	b.expect(allFree...)
	b.after(10 * time.Second)
	if opened, _ := b.driver.count(); opened != 2 {
		t.Errorf("opened %d times: the driver has to be asked anew for Xid errors", opened)
	}
	if b.tells() != "GPUUnhealthy GPURecovered" {
		t.Errorf("events %s", b.tells())
	}
}

func TestLostDriverComesBack(t *testing.T) {
	b := newBench(t)
	b.after(0)
	b.driver.set(func() { b.driver.fails, b.driver.absent = errLost, errAbsent })
	b.after(10 * time.Second)
	none := strings.NewReplacer("=2/", "=0/").Replace(strings.Join(allFree, "\n"))
	b.expect(none)
	if got := b.condition(); !strings.HasPrefix(got, "False 4 of 4 GPUs failed") || !strings.Contains(got, "driver is lost") {
		t.Errorf("condition %q", got)
	}
	b.after(10 * time.Second)
	b.expect(none)
	if labels := b.api.Node().Labels; labels["nvidia.com/gpu.count"] != "4" {
		t.Errorf("labels %v", labels)
	}
	b.driver.set(func() { b.driver.fails, b.driver.absent = nil, nil })
	b.after(10 * time.Second)
	b.expect(allFree...)
}

func TestNodeWithoutDriverIdles(t *testing.T) {
	b := newBench(t)
	b.driver.absent = errAbsent
	b.after(0)
	b.expect("none")
	requests := b.api.Requests()
	for range 20 {
		b.after(time.Minute)
	}
	if got := b.api.Requests(); got != requests {
		t.Errorf("%d requests while idle", got-requests)
	}
	if len(b.api.Writes()) != 0 || b.condition() != "" {
		t.Errorf("writes %v, condition %q", b.api.Writes(), b.condition())
	}
	if n := b.logs.count("NVIDIA library is not installed"); n != 1 {
		t.Errorf("said %d times", n)
	}
	b.driver.set(func() { b.driver.absent = nil }) // a driver is installed
	b.after(time.Minute)
	b.expect(allFree...)
}

func TestNodeThatHasNoGPUsAnyMore(t *testing.T) {
	b := newBench(t)
	b.after(0)
	b.driver.set(func() { b.driver.none = true })
	b.restart("boot-2")
	b.after(0)
	b.expect("none")
	if labels := b.api.Node().Labels; len(labels) != 0 || b.condition() != "" {
		t.Errorf("labels %v, condition %q", labels, b.condition())
	}
	if n := b.logs.count("finds no GPU"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestKubeletThatIsAway(t *testing.T) {
	b := newBench(t)
	b.node.Stop()
	b.after(0)
	b.expect("none")
	if got := b.api.Node().Labels["nvidia.com/gpu.count"]; got != "4" {
		t.Errorf("gpu.count %q: labels need no kubelet", got)
	}
	b.after(10 * time.Second)
	b.after(10 * time.Second)
	if n := b.logs.count("asking the kubelet"); n != 1 {
		t.Errorf("said %d times that the kubelet is away", n)
	}
	b.node.Set(offer(), podWith("GPU-3"))
	b.node.Start()
	b.after(10 * time.Second)
	b.expect(gpu3Taken...)
	b.node.Stop() // what it said last stays
	b.after(10 * time.Minute)
	b.expect(gpu3Taken...)
	b.restart("boot-1") // and what was published stays
	b.after(10 * time.Second)
	b.expect(gpu3Taken...)
	b.node.Set(offer(), nil)
	b.node.Start()
	b.after(10 * time.Second)
	b.expect(allFree...)
}

func TestAPIServerThatIsAway(t *testing.T) {
	b := newBench(t)
	b.api.SetDown(true)
	for range 120 {
		b.after(time.Second)
	}
	if got := b.api.Requests(); got < 4 || got > 10 {
		t.Errorf("%d requests in two minutes: want some, each after a longer wait", got)
	}
	if n := b.logs.count("reading node gpu-1"); n != 1 {
		t.Errorf("said %d times", n)
	}
	b.api.SetDown(false)
	b.after(time.Minute)
	b.expect(allFree...)
	if n := b.logs.count("all is well again"); n != 1 {
		t.Errorf("said %d times that it is back", n)
	}
	b.api.SetDown(true)
	b.node.Set(offer(), podWith("GPU-3"))
	b.after(10 * time.Second)
	b.api.SetDown(false)
	b.after(time.Second)
	b.expect(gpu3Taken...)
}

func TestAPIServerWithoutTheKind(t *testing.T) {
	b := newBench(t)
	b.api.SetKind(false)
	b.after(0)
	for range 40 {
		b.after(10 * time.Second)
	}
	if got := b.api.Node().Labels["nvidia.com/gpu.count"]; got != "4" || b.condition() != "True all 4 GPUs work" {
		t.Errorf("gpu.count %q, condition %q", got, b.condition())
	}
	if n := b.logs.count("install its CustomResourceDefinition"); n != 1 {
		t.Errorf("said %d times", n)
	}
	b.api.SetKind(true)
	b.after(5 * time.Minute)
	b.expect(allFree...)
}

func TestTopologyOfAnotherProgram(t *testing.T) {
	b := newBench(t)
	b.api.SetTopology(&nrt.NodeResourceTopology{ObjectMeta: metav1.ObjectMeta{Name: kubetest.NodeName}, Zones: nrt.ZoneList{{Name: "node-0", Type: "Node"}}})
	b.after(0)
	b.after(10 * time.Minute)
	b.expect("Node node-0")
	if n := b.logs.count("another program publishes"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestTopologyManagerFromTheKubelet(t *testing.T) {
	b := newBench(t)
	policy := "single-numa-node"
	status := http.StatusForbidden
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"kubeletconfig":{"topologyManagerPolicy":"` + policy + `","topologyManagerScope":"container"}}`))
	}))
	defer server.Close()
	b.KubeletAddress, b.KubeletClient, b.TopologyPolicy = server.URL, server.Client(), ""
	b.after(0)
	expectAttributes(t, b, "topologyManagerScope=pod")
	status = http.StatusOK
	b.after(5 * time.Minute)
	expectAttributes(t, b, "topologyManagerPolicy=single-numa-node", "topologyManagerScope=pod") // a flag goes before
	if n := b.logs.count("403 Forbidden"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func expectAttributes(t *testing.T, b *bench, want ...string) {
	t.Helper()
	var got []string
	for _, a := range b.api.Topology().Attributes {
		if strings.HasPrefix(a.Name, "topologyManager") {
			got = append(got, a.Name+"="+a.Value)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("attributes %v, want %v", got, want)
	}
}
