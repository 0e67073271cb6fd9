package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// workload is what one measurement asks of a scheduler: gangs of equal pods on equal nodes, all submitted at once, or
// what its play says.
type workload struct {
	name string
	// nodes is how many nodes there are, gpusPerNode how many GPUs each has (0: none, and pods ask for none).
	nodes, gpusPerNode int
	// small nodes have 4 CPUs and 32 GiB, as in Kubernetes' own scheduler benchmarks; others have plenty.
	small bool
	// levels are what the nodes are laid out in, the widest first; nil for nothing that anybody is told of.
	levels []level
	// required and preferred are the levels that each gang asks for; empty for none.
	required, preferred string
	// gangs is how many gangs of size pods are submitted; fit is how many of them the nodes have room for.
	gangs, size, fit int
	// shuffled submits the pods of all gangs in random order rather than gang after gang.
	shuffled bool
	// queues is over how many leaf queues the gangs are spread; 0 for none.
	queues int
	// only names the systems that it is for; nil for all.
	only []string
	// play takes the place of submitting all gangs at once, and returns its figures; title says then what it is about.
	play func(context.Context, site, workload) (map[string]float64, error)
	// pure takes the place of all that, of the API server and the scheduler too: it only computes, and returns its figures.
	pure func(ctx context.Context, w workload, seed uint64) (map[string]float64, error)
	// idle is for how long a play looks at a cluster in which nothing happens.
	idle time.Duration
	// manager is set where the manager runs, and all that brings its jobs' pods to life; who writes is logged.
	manager bool
	// title says what a play, or something pure, is about.
	title string
}

// workloads are all that can be measured, by the names of docs/benchmarks.md.
var workloads = []workload{
	{name: "W1", nodes: 500, gangs: 300, size: 10, fit: 300},
	{name: "W1Q", nodes: 500, gangs: 300, size: 10, fit: 300, queues: 100, only: []string{"muster"}},
	{
		name: "W1T", nodes: 500, gangs: 300, size: 10, fit: 300, only: []string{"muster"},
		levels: []level{block(5), rack(25)}, preferred: "rack",
	},
	{name: "W2", nodes: 1000, gangs: 4, size: 1000, fit: 4},
	{
		name: "W2T", nodes: 1000, gangs: 4, size: 1000, fit: 4, only: []string{"muster"},
		levels: []level{block(10), rack(50)}, preferred: "rack",
	},
	{name: "W3", nodes: 100, gpusPerNode: 8, gangs: 60, size: 64, fit: 12, shuffled: true},
	{
		name: "W4", nodes: 500, gpusPerNode: 8, gangs: 10000, size: 1, only: []string{"muster"}, play: joinCrowd,
		title: "500 nodes of 8 GPUs, 10,000 gangs of 20 shapes that find no room, and jobs that do",
	},
	{
		name: "W5", nodes: 500, gpusPerNode: 8, gangs: 4000, size: 250, only: []string{"muster"}, play: takeBack,
		title: "500 nodes full of 4,000 one-GPU jobs, and a gang of 250 eight-GPU pods of another queue",
	},
	{
		name: "JOBS", nodes: 200, gangs: 1000, size: 8, only: []string{"muster"}, play: createJobs, manager: true, idle: time.Minute,
		title: "1,000 PyTorchJobs of 8 pods at once on 200 nodes on which pods run, beside 100 that came before",
	},
	{
		name: "TAS", nodes: 5000, small: true, gangs: 750, size: 4, fit: 750, only: []string{"native", "muster"},
		levels: upstreamLevels(50), required: "rack",
	},
	{
		name: "TASL", nodes: 5000, small: true, gangs: 3, size: 1000, fit: 3, only: []string{"native", "muster"},
		levels: upstreamLevels(50), required: "rack",
	},
	{
		name: "PLAN", nodes: 5000, gpusPerNode: 8, size: 512, only: []string{"muster"}, pure: planGang,
		levels: []level{block(10), rack(250)}, required: "block", preferred: "rack",
		title: "planning alone, no API server: a gang of 512 one-GPU pods on 5,000 nodes of 8 GPUs in 250 racks in 10 blocks",
	},
	{
		name: "WEBHOOK", size: 1000, only: []string{"muster"}, pure: askWebhook,
		title: "the webhook for pods alone, over TLS, no API server: 5,000 pods of 1 to 10 containers, 1,000 policies of 10 sorts",
	},
	{
		name: "PACK", size: 10, only: []string{"muster"}, pure: pack,
		title: "packing alone, no API server: the pods of the openb trace on its 1,213 nodes with 6,212 GPUs, mean of 10 seeds",
	},
}

// named finds a workload by its name, or by its name and a divisor: "W1/10" is W1 with a tenth of its nodes and gangs. It
// keeps that name, so that nothing takes it for W1.
func named(name string) (workload, error) {
	base, by, divided := strings.Cut(name, "/")
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == base })
	if i < 0 {
		return workload{}, fmt.Errorf("there is no %q, only %s", base, strings.Join(workloadNames(), ", "))
	}
	w := workloads[i]
	if !divided {
		return w, nil
	}
	n, err := strconv.Atoi(by)
	if err != nil || n < 1 {
		return w, fmt.Errorf("%s cannot be divided by %q", base, by)
	}
	return w.divided(n), nil
}

// divided is a workload with an nth of the nodes, in an nth of the domains, and an nth of the gangs. Gangs and jobs keep
// their size, but for that of a play about one gang, which is the whole.
func (w workload) divided(n int) workload {
	part := func(x int) int { return min(x, max(1, x/n)) }
	w.name = fmt.Sprintf("%s/%d", w.name, n)
	w.nodes, w.gangs, w.fit = part(w.nodes), part(w.gangs), part(w.fit)
	w.levels = slices.Clone(w.levels)
	for i := range w.levels {
		w.levels[i].domains = part(w.levels[i].domains)
	}
	if (w.play != nil || w.pure != nil) && !w.manager {
		w.size = part(w.size)
	}
	if w.title != "" {
		w.title += fmt.Sprintf(" (divided by %d)", n)
	}
	return w
}

// measuredOn reports whether a workload is for a system.
func (w workload) measuredOn(system string) bool {
	return w.only == nil || slices.Contains(w.only, system)
}

// member is one pod of a workload: the index-th of a gang.
type member struct{ gang, index int }

// String says the workload in words, as a heading.
func (w workload) String() string {
	if w.title != "" {
		return w.name + ": " + w.title
	}
	pods := "pods"
	if w.gpusPerNode > 0 {
		pods = "one-GPU pods"
	}
	s := fmt.Sprintf("%s: %d nodes, %d gangs of %d %s", w.name, w.nodes, w.gangs, w.size, pods)
	if w.gpusPerNode > 0 {
		s = fmt.Sprintf("%s: %d nodes of %d GPUs, %d gangs of %d %s", w.name, w.nodes, w.gpusPerNode, w.gangs, w.size, pods)
	}
	if w.shuffled {
		s += " in random order"
	}
	if w.queues > 0 {
		s += fmt.Sprintf(" in %d queues three levels deep", w.queues)
	}
	if w.fit < w.gangs {
		s += fmt.Sprintf(", %d fit", w.fit)
	}
	join := "; "
	for _, l := range slices.Backward(w.levels) {
		s += fmt.Sprintf("%s%d %ss", join, l.domains, l.name)
		join = " in "
	}
	if w.required != "" {
		s += fmt.Sprintf(", one %s required", w.required)
	}
	if w.preferred != "" {
		s += fmt.Sprintf(", one %s preferred", w.preferred)
	}
	return s
}

// gangName names the i-th gang: its PodGroup, and the first part of its pods' names.
func gangName(i int) string { return fmt.Sprintf("gang-%03d", i) }

// order lists every pod in the order of submission. The same seed gives the same order, so that each system of a
// round gets the same.
func (w workload) order(seed uint64) []member {
	members := make([]member, 0, w.gangs*w.size)
	for gang := range w.gangs {
		for index := range w.size {
			members = append(members, member{gang, index})
		}
	}
	if w.shuffled {
		r := rand.New(rand.NewPCG(seed, 0))
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	}
	return members
}

// workloadNames names all workloads.
func workloadNames() []string {
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = w.name
	}
	return names
}
