package numa

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

const gpu = "nvidia.com/gpu"

// zones are NUMA nodes or islands of GPUs: allocatable and available, one after the other.
func zones(name string, amounts ...int64) []Zone {
	var list []Zone
	for i := 0; i < len(amounts); i += 2 {
		list = append(list, Zone{
			Name:        name + "-" + string(rune('0'+i/2)),
			Allocatable: resource.Amounts{gpu: amounts[i]}, Available: resource.Amounts{gpu: amounts[i+1]},
		})
	}
	return list
}

// gpus is a pod with containers of so many GPUs.
func gpus(required Locality, containers ...int64) Pod {
	pod := Pod{Required: required}
	for _, amount := range containers {
		pod.Containers = append(pod.Containers, resource.Amounts{gpu: amount})
	}
	return pod
}

// broken takes so many GPUs of the first NUMA node from use.
func broken(l *Layout, gpus int64) *Layout {
	l.Nodes[0].Broken = resource.Amounts{gpu: gpus}
	return l
}

func TestFits(t *testing.T) {
	pods := func(amounts ...int64) (running []Pod) {
		for _, amount := range amounts {
			running = append(running, gpus(Anywhere, amount))
		}
		return running
	}
	dgx := &Layout{Nodes: zones("node", 4, 4, 4, 4), Islands: zones("nvlink", 8, 8)}
	for name, c := range map[string]struct {
		layout  *Layout
		running []Pod
		pod     Pod
		refusal string
	}{
		"linked":                                        {layout: dgx, pod: gpus(NVLink, 8)},
		"more than a NUMA node has":                     {layout: dgx, pod: gpus(NUMA, 5), refusal: "no NUMA node has 5 nvidia.com/gpu free, even if nothing else ran: node-0 has 4"},
		"one container in each NUMA node":               {layout: dgx, pod: gpus(NUMA, 3, 4)},
		"containers beside each other":                  {layout: dgx, pod: gpus(NUMA, 3, 3, 2), refusal: "even if nothing else ran"},
		"nothing asked":                                 {layout: dgx, pod: gpus(Anywhere, 5)},
		"one GPU is near itself":                        {layout: &Layout{Nodes: zones("node", 4, 4)}, running: pods(4), pod: gpus(NVLink, 1)},
		"no island is reported":                         {layout: &Layout{Nodes: zones("node", 8, 8)}, pod: gpus(NVLink, 2), refusal: "no NVLink island has 2 nvidia.com/gpu free, even if nothing else ran: none is reported"},
		"free split across zones":                       {layout: &Layout{Nodes: zones("node", 4, 2, 4, 2)}, running: pods(2, 2), pod: gpus(NUMA, 4), refusal: "no NUMA node has 4 nvidia.com/gpu free: node-0 has 2 nvidia.com/gpu, node-1 has 2 nvidia.com/gpu"},
		"F11: single-numa-node":                         {layout: &Layout{Policy: SingleNode, Nodes: zones("node", 4, 2, 4, 2)}, running: pods(2, 2), pod: gpus(Anywhere, 4), refusal: "the kubelet's policy single-numa-node would refuse 4 nvidia.com/gpu: node-0 has 2 nvidia.com/gpu, node-1 has 2"},
		"F11: restricted":                               {layout: &Layout{Policy: Restricted, Nodes: zones("node", 4, 2, 4, 2)}, running: pods(2, 2), pod: gpus(Anywhere, 4), refusal: "the kubelet's policy restricted"},
		"restricted may span":                           {layout: &Layout{Policy: Restricted, Nodes: zones("node", 4, 4, 4, 4)}, pod: gpus(Anywhere, 6)},
		"single-numa-node may not":                      {layout: &Layout{Policy: SingleNode, Nodes: zones("node", 4, 4, 4, 4)}, pod: gpus(Anywhere, 6), refusal: "even if nothing else ran"},
		"containers each by itself":                     {layout: &Layout{Policy: SingleNode, Nodes: zones("node", 4, 4, 4, 4)}, pod: gpus(Anywhere, 4, 4)},
		"containers together":                           {layout: &Layout{Policy: SingleNode, PodScope: true, Nodes: zones("node", 4, 4, 4, 4)}, pod: gpus(Anywhere, 4, 4), refusal: "even if nothing else ran"},
		"best-effort refuses nothing":                   {layout: &Layout{Policy: BestEffort, Nodes: zones("node", 4, 2, 4, 2)}, running: pods(2, 2), pod: gpus(Anywhere, 4)},
		"the report lags":                               {layout: dgx, running: pods(4, 2), pod: gpus(NUMA, 4), refusal: "node-0 has 0 nvidia.com/gpu, node-1 has 2"},
		"best fit of what it does not know":             {layout: &Layout{Nodes: zones("node", 4, 4, 4, 2)}, running: pods(2, 2), pod: gpus(NUMA, 4)},
		"one of two large pods left":                    {layout: &Layout{Nodes: zones("node", 4, 0, 4, 0)}, running: pods(4), pod: gpus(NUMA, 4)},
		"nobody knows which pods left":                  {layout: &Layout{Nodes: zones("node", 4, 0, 4, 0)}, running: pods(1, 1, 1, 1), pod: gpus(NUMA, 4), refusal: "no NUMA node has 4"},
		"all left":                                      {layout: &Layout{Nodes: zones("node", 4, 0, 4, 0)}, pod: gpus(NUMA, 4)},
		"those that stayed are where something is used": {layout: &Layout{Nodes: zones("node", 6, 6, 4, 0)}, running: pods(2), pod: gpus(NUMA, 6)},
		"a broken GPU is nobody's":                      {layout: broken(&Layout{Nodes: zones("node", 4, 3)}, 1), pod: gpus(NUMA, 4), refusal: "even if nothing else ran: node-0 has 3"},
		"too many ways that they may have left":         {layout: &Layout{Nodes: zones("node", 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0)}, running: pods(1, 1, 1, 1, 1, 1, 1, 1), pod: gpus(NUMA, 2), refusal: "no NUMA node has 2"},
	} {
		t.Run(name, func(t *testing.T) {
			node := Node{Layout: c.layout, Allocatable: allocatable(c.layout), Pods: c.running}
			refusal := node.Fits(c.pod)
			if c.refusal == "" && refusal.Reason != "" || !strings.Contains(refusal.Reason, c.refusal) {
				t.Errorf("refused with %q, want %q", refusal.Reason, c.refusal)
			}
		})
	}
}

func TestContradictions(t *testing.T) {
	mixed := &Layout{Policy: SingleNode, Nodes: []Zone{{
		Name: "node-0", Allocatable: resource.Amounts{gpu: 4, "cpu": 30_000, "memory": 64 << 30}, Available: resource.Amounts{gpu: 4, "cpu": 30_000, "memory": 64 << 30},
	}}}
	all := resource.Amounts{gpu: 4, "cpu": 30_500, "memory": 64<<30 - 100<<20}
	faulty := &Layout{Nodes: zones("node", 8, 8), Islands: zones("nvlink", 8, 8), Faults: map[string]string{gpu: "node-0 has -1 nvidia.com/gpu"}}
	for name, c := range map[string]struct {
		layout *Layout
		node   resource.Amounts
		pod    Pod
		want   string
	}{
		"less than the node has":         {&Layout{Nodes: zones("node", 4, 4)}, resource.Amounts{gpu: 8}, gpus(NUMA, 2), "it lists 4 nvidia.com/gpu in NUMA nodes, the node has 8"},
		"more than the node has":         {&Layout{Nodes: zones("node", 4, 4, 4, 4)}, resource.Amounts{gpu: 6}, gpus(NUMA, 2), "it lists 8 nvidia.com/gpu in NUMA nodes, the node has 6"},
		"it matters to nobody":           {&Layout{Nodes: zones("node", 4, 4)}, resource.Amounts{gpu: 8}, gpus(Anywhere, 2), ""},
		"islands are of some GPUs":       {&Layout{Islands: zones("nvlink", 4, 4)}, resource.Amounts{gpu: 8}, gpus(NVLink, 2), ""},
		"islands of more than there are": {&Layout{Islands: zones("nvlink", 4, 4, 8, 8)}, resource.Amounts{gpu: 8}, gpus(NVLink, 2), "it lists 12 nvidia.com/gpu in NVLink islands, the node has 8"},
		"a malformed amount":             {faulty, resource.Amounts{gpu: 8}, gpus(NVLink, 2), "node-0 has -1"},
		"rounded for the system":         {mixed, all, Pod{Containers: []resource.Amounts{{gpu: 1, "cpu": 4000, "memory": 1 << 30}}}, ""},
		"CPUs that are not there":        {mixed, resource.Amounts{gpu: 4, "cpu": 8000, "memory": 64 << 30}, Pod{Containers: []resource.Amounts{{"cpu": 4000}}}, "it lists 30 cpu in NUMA nodes, the node has 8"},
		"CPUs that nobody asks for":      {mixed, resource.Amounts{gpu: 4, "cpu": 8000, "memory": 64 << 30}, gpus(Anywhere, 4), ""},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := Node{Layout: c.layout, Allocatable: c.node}.Fits(c.pod)
			if (c.want == "") != (refusal.Reason == "") || !strings.Contains(refusal.Reason, c.want) || c.want != "" && !refusal.Lasting {
				t.Errorf("%+v, want %q", refusal, c.want)
			}
		})
	}
}

func TestScore(t *testing.T) {
	prefers := func(near Locality, amount int64) Pod {
		return Pod{Preferred: near, Containers: []resource.Amounts{{gpu: amount}}}
	}
	layout := &Layout{Nodes: zones("node", 4, 4, 4, 2), Islands: zones("nvlink", 2, 2, 2, 2, 2, 2)}
	node := Node{Layout: layout, Allocatable: allocatable(layout), Pods: []Pod{gpus(Anywhere, 2)}}
	for name, c := range map[string]struct {
		pod  Pod
		want int64
	}{
		"linked":                   {prefers(NVLink, 2), Best},
		"not linked, but near":     {prefers(NVLink, 4), Second},
		"near":                     {prefers(NUMA, 4), Best},
		"neither":                  {prefers(NUMA, 6), 0},
		"one GPU is near itself":   {prefers(NUMA, 1), 0},
		"no wish":                  {gpus(Anywhere, 2), 0},
		"a demand is no wish":      {gpus(NUMA, 2), 0},
		"no GPUs":                  {Pod{Preferred: NUMA}, 0},
		"linked, by all that left": {prefers(NVLink, 3), Second},
	} {
		if got := node.Score(c.pod); got != c.want {
			t.Errorf("%s: score %d, want %d", name, got, c.want)
		}
	}
}

// inOne tries every way to give each container one zone.
func inOne(free []int64, containers []int64) bool {
	if len(containers) == 0 {
		return true
	}
	for z := range free {
		if free[z] >= containers[0] {
			free[z] -= containers[0]
			fits := inOne(free, containers[1:])
			free[z] += containers[0]
			if fits {
				return true
			}
		}
	}
	return false
}

// A node with a report of today takes exactly the pods for whose containers there is a zone each.
func TestNearIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layout := drawLayout(t, None, BestEffort)
		pod := drawPod(t)
		pod.Required, pod.Init = NUMA, nil
		var free, asked []int64
		for _, zone := range layout.Nodes {
			free = append(free, zone.Available[gpu])
		}
		for _, c := range pod.Containers {
			asked = append(asked, c[gpu])
		}
		fits := inOne(free, asked) || !pod.NeedsNearGPUs()
		if refusal := (Node{Layout: layout, Allocatable: allocatable(layout), Pods: used(layout)}).Fits(pod); fits != (refusal.Reason == "") {
			t.Fatalf("there is a way: %v; %+v", fits, refusal)
		}
	})
}

// What a node takes after pods have left that its report still counts, and others have come that it does not count yet, has
// room in truth, wherever those were that left.
func TestPodsThatLeftFreeNoMoreThanIsSure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layout := &Layout{}
		for range rapid.IntRange(1, 4).Draw(t, "zones") {
			layout.Nodes = append(layout.Nodes, zones("node", rapid.Int64Range(1, 8).Draw(t, "total"), 0)...)
		}
		truth := make([]int64, len(layout.Nodes))
		var running []Pod
		for z := range layout.Nodes {
			free := layout.Nodes[z].Allocatable[gpu]
			truth[z] = free
			for free > 0 && rapid.Bool().Draw(t, "another pod") {
				amount := rapid.Int64Range(1, free).Draw(t, "GPUs")
				free -= amount
				if rapid.Bool().Draw(t, "stays") {
					running = append(running, gpus(Anywhere, amount))
					truth[z] -= amount
				}
			}
			layout.Nodes[z].Available[gpu] = free
		}
		running = rapid.Permutation(running).Draw(t, "order")
		pod := gpus(NUMA, rapid.SliceOfN(rapid.Int64Range(1, 8), 1, 2).Draw(t, "containers")...)
		refusal := Node{Layout: layout, Allocatable: allocatable(layout), Pods: running}.Fits(pod)
		if pod.NeedsNearGPUs() && refusal.Reason == "" && !inOne(truth, asked(pod)) {
			t.Fatalf("it is said to have room, and has %v", truth)
		}
		if len(running) == 0 && refusal.Reason != "" && !refusal.Lasting {
			t.Fatalf("the node is empty, and refuses: %s", refusal.Reason)
		}
	})
}

func asked(pod Pod) (amounts []int64) {
	for _, c := range pod.Containers {
		amounts = append(amounts, c[gpu])
	}
	return amounts
}

// No report crashes or holds up whoever asks, and an answer does not depend on anything but the question.
func TestAnyReportIsSurvived(t *testing.T) {
	wild := rapid.OneOf(rapid.Int64Range(-2, 9), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MaxInt64 / 2}))
	list := rapid.MapOfN(rapid.SampledFrom([]string{gpu, "cpu", "memory", "nvidia.com/mig-1g.5gb", ""}), wild, 0, 3)
	amounts := rapid.Custom(func(t *rapid.T) resource.Amounts { return list.Draw(t, "amounts") })
	zone := rapid.Custom(func(t *rapid.T) Zone {
		return Zone{Name: rapid.StringN(0, 3, 3).Draw(t, "name"), Allocatable: amounts.Draw(t, "allocatable"), Available: amounts.Draw(t, "available")}
	})
	pod := rapid.Custom(func(t *rapid.T) Pod {
		locality := rapid.SampledFrom([]Locality{Anywhere, NUMA, NVLink})
		return Pod{
			Init: rapid.SliceOfN(amounts, 0, 1).Draw(t, "init"), Containers: rapid.SliceOfN(amounts, 0, 3).Draw(t, "containers"),
			Required: locality.Draw(t, "required"), Preferred: locality.Draw(t, "preferred"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		node := Node{
			Layout: &Layout{
				Policy: rapid.SampledFrom([]Policy{"", None, BestEffort, Restricted, SingleNode, "unknown"}).Draw(t, "policy"), PodScope: rapid.Bool().Draw(t, "scope"),
				Nodes: rapid.SliceOfN(zone, 0, 40).Draw(t, "NUMA nodes"), Islands: rapid.SliceOfN(zone, 0, 5).Draw(t, "islands"),
			},
			Allocatable: amounts.Draw(t, "allocatable"), Pods: rapid.SliceOfN(pod, 0, 6).Draw(t, "pods"),
		}
		if rapid.Bool().Draw(t, "agrees") {
			node.Allocatable = allocatable(node.Layout)
		}
		p := pod.Draw(t, "pod")
		refusal, score := node.Fits(p), node.Score(p)
		if again := node.Fits(p); again != refusal || node.Score(p) != score {
			t.Fatalf("%+v and then %+v", refusal, again)
		}
		if score < 0 || score > Best {
			t.Fatalf("score %d", score)
		}
	})
}

func TestParseLocality(t *testing.T) {
	for _, text := range []string{"", "numa", "nvlink"} {
		if got, err := ParseLocality(text); err != nil || string(got) != text {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"NUMA", "rack", " numa"} {
		if _, err := ParseLocality(text); err == nil {
			t.Errorf("%q is no locality, and passes for one", text)
		}
	}
}
