package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// workload is what one measurement asks of a scheduler: gangs of equal pods on equal nodes, all submitted at once, or
// what its play says.
type workload struct {
	name string
	// nodes is how many nodes there are, gpusPerNode how many GPUs each has (0: none, and pods ask for none).
	nodes, gpusPerNode int
	// gangs is how many gangs of size pods are submitted; fit is how many of them the nodes have room for.
	gangs, size, fit int
	// shuffled submits the pods of all gangs in random order rather than gang after gang.
	shuffled bool
	// queues is over how many leaf queues the gangs are spread; 0 for none.
	queues int
	// only names the systems that it is for; nil for all.
	only []string
	// play takes the place of submitting all gangs at once, and returns its figures; title says then what it is about.
	play  func(context.Context, site, workload) (map[string]float64, error)
	title string
}

// workloads are all that can be measured, by the names of docs/benchmarks.md.
var workloads = []workload{
	{name: "W1", nodes: 500, gangs: 300, size: 10, fit: 300},
	{name: "W2", nodes: 1000, gangs: 4, size: 1000, fit: 4},
	{name: "W3", nodes: 100, gpusPerNode: 8, gangs: 60, size: 64, fit: 12, shuffled: true},
	{name: "W1Q", nodes: 500, gangs: 300, size: 10, fit: 300, queues: 100, only: []string{"muster"}},
	{
		name: "W4", nodes: 500, gpusPerNode: 8, gangs: 10000, size: 1, only: []string{"muster"}, play: joinCrowd,
		title: "500 nodes of 8 GPUs, 10,000 gangs of 20 shapes that find no room, and jobs that do",
	},
	{
		name: "W5", nodes: 500, gpusPerNode: 8, gangs: 4000, size: 250, only: []string{"muster"}, play: takeBack,
		title: "500 nodes full of 4,000 one-GPU jobs, and a gang of 250 eight-GPU pods of another queue",
	},
}

// measuredOn reports whether a workload is for a system.
func (w workload) measuredOn(system string) bool {
	return w.only == nil || slices.Contains(w.only, system)
}

// member is one pod of a workload: the index-th of a gang.
type member struct{ gang, index int }

// String says the workload in words, as a heading.
func (w workload) String() string {
	if w.play != nil {
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
