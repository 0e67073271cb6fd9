package numa

import (
	"slices"
	"testing"

	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager/bitmask"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

// kubelet aligns as the real one does: its own code merges the hints. How hints come about, and what is taken, is retold
// here for resources that the zones count instead of single devices (devicemanager/topology_hints.go).
type kubelet struct {
	policy      topologymanager.Policy
	total, free []resource.Amounts
}

func newKubelet(layout *Layout) *kubelet {
	info := &topologymanager.NUMAInfo{NUMADistances: topologymanager.NUMADistances{}}
	k := &kubelet{}
	for z, zone := range layout.Nodes {
		info.Nodes = append(info.Nodes, z)
		k.total = append(k.total, zone.Allocatable.Clone())
		k.free = append(k.free, zone.Available.Clone())
	}
	k.policy = topologymanager.NewSingleNumaNodePolicy(info, topologymanager.PolicyOptions{})
	if layout.Policy == Restricted {
		k.policy = topologymanager.NewRestrictedPolicy(info, topologymanager.PolicyOptions{})
	}
	return k
}

func (k *kubelet) hints(name string, amount int64) []topologymanager.TopologyHint {
	hints := []topologymanager.TopologyHint{}
	var all []int
	for z := range k.total {
		all = append(all, z)
	}
	least := len(all)
	bitmask.IterateBitMasks(all, func(mask bitmask.BitMask) {
		var total, free int64
		for _, z := range mask.GetBits() {
			total += k.total[z][name]
			free += k.free[z][name]
		}
		if total >= amount {
			least = min(least, mask.Count())
		}
		if free >= amount {
			hints = append(hints, topologymanager.TopologyHint{NUMANodeAffinity: mask})
		}
	})
	for i := range hints {
		hints[i].Preferred = hints[i].NUMANodeAffinity.Count() == least
	}
	return hints
}

func (k *kubelet) aligns(request resource.Amounts, take bool) bool {
	hints := map[string][]topologymanager.TopologyHint{}
	for name, amount := range request {
		if amount > 0 {
			hints[name] = k.hints(name, amount)
		}
	}
	best, admit := k.policy.Merge(klog.Logger{}, []map[string][]topologymanager.TopologyHint{hints})
	if !admit || !take || len(hints) == 0 {
		return admit
	}
	var zones []int
	for z := range k.free {
		// All zones are told as none.
		if best.NUMANodeAffinity == nil || best.NUMANodeAffinity.IsSet(z) {
			zones = append(zones, z)
		}
	}
	for name, left := range request {
		for _, z := range zones {
			part := min(left, k.free[z][name])
			k.free[z][name] -= part
			left -= part
		}
	}
	return true
}

func (k *kubelet) admits(pod Pod, podScope bool) bool {
	if podScope {
		sum := resource.Amounts{}
		for _, c := range pod.Containers {
			sum.Add(c)
		}
		for _, c := range pod.Init {
			for name, amount := range c {
				sum[name] = max(sum[name], amount)
			}
		}
		return k.aligns(sum, false)
	}
	for _, c := range pod.Init {
		if !k.aligns(c, false) {
			return false
		}
	}
	for _, c := range pod.Containers {
		if !k.aligns(c, true) {
			return false
		}
	}
	return true
}

// drawLayout makes up a node with up to 4 NUMA nodes of GPUs and CPUs, some of them in use.
func drawLayout(t *rapid.T, policies ...Policy) *Layout {
	l := &Layout{Policy: rapid.SampledFrom(policies).Draw(t, "policy"), PodScope: rapid.Bool().Draw(t, "pod scope")}
	for range rapid.IntRange(1, 4).Draw(t, "zones") {
		zone := Zone{Name: "node", Allocatable: resource.Amounts{}, Available: resource.Amounts{}}
		for _, name := range []string{"nvidia.com/gpu", "cpu"} {
			zone.Allocatable[name] = rapid.Int64Range(0, 4).Draw(t, "total")
			zone.Available[name] = rapid.Int64Range(0, zone.Allocatable[name]).Draw(t, "free")
		}
		l.Nodes = append(l.Nodes, zone)
	}
	return l
}

func drawPod(t *rapid.T) Pod {
	container := rapid.Custom(func(t *rapid.T) resource.Amounts {
		c := resource.Amounts{}
		for _, name := range []string{"nvidia.com/gpu", "cpu"} {
			if amount := rapid.Int64Range(0, 5).Draw(t, name); amount > 0 {
				c[name] = amount
			}
		}
		return c
	})
	return Pod{
		Init:       rapid.SliceOfN(container, 0, 1).Draw(t, "init containers"),
		Containers: rapid.SliceOfN(container, 1, 3).Draw(t, "containers"),
		Required:   rapid.SampledFrom([]Locality{Anywhere, NUMA, NVLink}).Draw(t, "required"),
	}
}

// allocatable is what a node says of itself that agrees with its layout.
func allocatable(l *Layout) resource.Amounts {
	sum := resource.Amounts{}
	for _, zone := range l.Nodes {
		sum.Add(zone.Allocatable)
	}
	return sum
}

// used are pods that have what the layout counts as used: one for each zone.
func used(l *Layout) []Pod {
	var pods []Pod
	for _, zone := range l.Nodes {
		c := zone.Allocatable.Clone()
		c.Sub(zone.Available)
		pods = append(pods, Pod{Containers: []resource.Amounts{c}})
	}
	return pods
}

// A node with a strict policy takes exactly the pods that its kubelet admits.
func TestStrictPoliciesAreTheKubelets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layout := drawLayout(t, SingleNode, Restricted)
		pod := drawPod(t)
		pod.Required = Anywhere
		refusal := Node{Layout: layout, Allocatable: allocatable(layout), Pods: used(layout)}.Fits(pod)
		if admits := newKubelet(layout).admits(pod, layout.PodScope); admits != (refusal.Reason == "") {
			t.Fatalf("the kubelet admits it: %v; %+v", admits, refusal)
		}
		if refusal.Lasting != (refusal.Reason != "" && !newKubelet(empty(layout)).admits(pod, layout.PodScope)) {
			t.Fatalf("an empty node would refuse it: %v; %+v", !refusal.Lasting, refusal)
		}
	})
}

func empty(l *Layout) *Layout {
	e := *l
	e.Nodes = slices.Clone(l.Nodes)
	for z := range e.Nodes {
		e.Nodes[z].Available = e.Nodes[z].Allocatable
	}
	return &e
}
