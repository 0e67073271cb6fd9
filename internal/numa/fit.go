package numa

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Node is a node with a layout, what it says of itself, and the pods that are on it or on their way, oldest first.
type Node struct {
	Layout      *Layout
	Allocatable resource.Amounts
	Pods        []Pod
}

// Refusal is why a node cannot take a pod. The zero Refusal says that it can.
type Refusal struct {
	Reason string
	// Lasting is set where it could not do so if it were empty.
	Lasting bool
}

// Fits says whether a node can give a pod what it asks for in zones near enough: by the pod's own demand, and by the node's
// policy. It does not ask whether the node has enough in all.
func (n Node) Fits(pod Pod) Refusal {
	if !n.Layout.Concerns(pod) {
		return Refusal{}
	}
	if pod.NeedsNearGPUs() {
		if refusal := n.hasNear(pod, pod.Required); refusal.Reason != "" {
			return refusal
		}
	}
	if n.Layout.Policy.Strict() {
		return n.admits(pod)
	}
	return Refusal{}
}

// The scores of a node for a pod that would rather have its GPUs near each other.
const (
	// Best: it has what the pod prefers.
	Best = 100
	// Second: GPUs of one NUMA node for a pod that prefers NVLink.
	Second = 50
)

// Score says how well a node meets what a pod prefers, from 0 to Best.
func (n Node) Score(pod Pod) int64 {
	switch {
	case !pod.PrefersNearGPUs():
		return 0
	case n.hasNear(pod, pod.Preferred).Reason == "":
		return Best
	case pod.Preferred == NVLink && n.hasNear(pod, NUMA).Reason == "":
		return Second
	}
	return 0
}

// hasNear says whether each container can have all of its GPUs in one zone.
func (n Node) hasNear(pod Pod, near Locality) Refusal {
	onlyGPUs := func(containers []resource.Amounts) []resource.Amounts {
		var gpus []resource.Amounts
		for _, c := range containers {
			c = c.Clone()
			maps.DeleteFunc(c, func(name string, amount int64) bool { return !resource.IsGPU(name) || amount <= 0 })
			if len(c) > 0 {
				gpus = append(gpus, c)
			}
		}
		return gpus
	}
	pod = Pod{Init: onlyGPUs(pod.Init), Containers: onlyGPUs(pod.Containers)}
	names := namesIn(pod.all())
	if refusal := n.trust(names, near); refusal.Reason != "" {
		return refusal
	}
	p, take := n.plan(near, names)
	init, containers := p.vectors(pod.Init), p.vectors(pod.Containers)
	fits := func(free space) bool {
		for _, request := range init {
			if bestFit(free, request) < 0 {
				return false
			}
		}
		return eachInOne(free, containers)
	}
	return n.judge(p, fits, take, fmt.Sprintf("no %s has %s free", near.title(), p.ask(slices.Concat(init, containers))))
}

// admits says whether the kubelet would take the pod by its policy.
func (n Node) admits(pod Pod) Refusal {
	var names []string
	for _, c := range pod.all() {
		names = append(names, n.Layout.listed(c)...)
	}
	if refusal := n.trust(names, NUMA); refusal.Reason != "" {
		return refusal
	}
	p, take := n.plan(NUMA, names)
	a := &aligner{plan: p, policy: n.Layout.Policy}
	init, containers := p.vectors(pod.Init), p.asked(pod, n.Layout.PodScope)
	if n.Layout.PodScope {
		for _, request := range init {
			for r := range request {
				containers[0][r] = max(containers[0][r], request[r])
			}
		}
		init = nil
	}
	fits := func(free space) bool { return a.admit(free.clone(), init, containers) }
	return n.judge(p, fits, take, fmt.Sprintf("the kubelet's policy %s would refuse %s", n.Layout.Policy, p.ask(slices.Concat(init, containers))))
}

// plan is the zones for a locality, seen in the resources that a pod asks for, and how pods take their part that the report
// does not count yet. A kubelet that aligns pods chooses zones by all that they ask for.
func (n Node) plan(near Locality, asked []string) (p plan, take func(free space, request amounts)) {
	if near == NVLink {
		return newPlan(n.Layout.Islands, asked, nil), takeNear
	}
	if !n.Layout.Policy.aligns() {
		return newPlan(n.Layout.Nodes, asked, nil), takeNear
	}
	var others []string
	for _, pod := range n.Pods {
		for _, c := range pod.Containers {
			others = append(others, n.Layout.listed(c)...)
		}
	}
	p = newPlan(n.Layout.Nodes, asked, others)
	a := &aligner{plan: p, policy: n.Layout.Policy}
	return p, func(free space, request amounts) {
		if !a.take(free, request) {
			takeNear(free, request)
		}
	}
}

// judge refuses where a request does not fit into all of what may be free.
func (n Node) judge(p plan, fits func(space) bool, take func(space, amounts), refused string) Refusal {
	if !fits(p.total.clone()) {
		return Refusal{Reason: "node(s) where " + refused + ", even if nothing else ran: " + p.describe(p.total), Lasting: true}
	}
	for _, free := range p.possible(n.Pods, n.Layout.Policy.aligns() && n.Layout.PodScope, take) {
		if !fits(free) {
			return Refusal{Reason: "node(s) where " + refused + ": " + p.describe(free)}
		}
	}
	return Refusal{}
}

func namesIn(list []resource.Amounts) []string {
	names := map[string]bool{}
	for _, c := range list {
		for name := range c {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// trust refuses where the report contradicts the node.
func (n Node) trust(names []string, near Locality) Refusal {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if contradiction := n.Layout.Contradiction(name, n.Allocatable[name], near); contradiction != "" {
			return Refusal{Reason: "node(s) whose NodeResourceTopology cannot be right: " + contradiction, Lasting: true}
		}
	}
	return Refusal{}
}

// eachInOne reports whether every request can have a zone that gives it all. It tries all ways, the largest request first.
func eachInOne(free space, requests []amounts) bool {
	requests = slices.Clone(requests)
	slices.SortStableFunc(requests, func(a, b amounts) int { return slices.Compare(b, a) })
	steps := 0
	var try func(i int) bool
	try = func(i int) bool {
		if i == len(requests) {
			return true
		}
		var tried []amounts
		for z := range free {
			if !requests[i].within(free[z]) || slices.ContainsFunc(tried, func(t amounts) bool { return slices.Equal(t, free[z]) }) {
				continue
			}
			tried = append(tried, free[z].clone())
			if steps++; steps > maxSteps {
				return false
			}
			free[z].subtract(requests[i])
			fits := try(i + 1)
			free[z].add(requests[i])
			if fits {
				return true
			}
		}
		return false
	}
	return try(0)
}

// ask writes requests as people read them: "4 nvidia.com/gpu" or "4 nvidia.com/gpu, 2 nvidia.com/gpu and 8 cpu".
func (p plan) ask(requests []amounts) string {
	var parts []string
	for _, request := range requests {
		if text := p.text(request, false); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

// maxNamed bounds how many zones a reason lists.
const maxNamed = 8

func (p plan) describe(free space) string {
	if len(p.zones) == 0 {
		return "none is reported"
	}
	var parts []string
	for z := range p.zones[:min(len(p.zones), maxNamed)] {
		parts = append(parts, p.zones[z].Name+" has "+p.text(free[z], true))
	}
	if more := len(p.zones) - maxNamed; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

func (p plan) text(v amounts, zeros bool) string {
	var parts []string
	for r, amount := range v[:p.asks] {
		if amount != 0 || zeros {
			parts = append(parts, show(p.names[r], amount)+" "+p.names[r])
		}
	}
	return strings.Join(parts, " and ")
}

func (l Locality) title() string {
	if l == NVLink {
		return "NVLink island"
	}
	return "NUMA node"
}
