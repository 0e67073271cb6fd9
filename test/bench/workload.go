package main

import (
	"fmt"
	"math/rand/v2"
)

// workload is what one measurement asks of a scheduler: gangs of equal pods on equal nodes, all submitted at once.
type workload struct {
	name string
	// nodes is how many nodes there are, gpusPerNode how many GPUs each has (0: none, and pods ask for none).
	nodes, gpusPerNode int
	// gangs is how many gangs of size pods are submitted; fit is how many of them the nodes have room for.
	gangs, size, fit int
	// shuffled submits the pods of all gangs in random order rather than gang after gang.
	shuffled bool
}

// workloads are all that can be measured, by the names of docs/benchmarks.md.
var workloads = []workload{
	{name: "W1", nodes: 500, gangs: 300, size: 10, fit: 300},
	{name: "W2", nodes: 1000, gangs: 4, size: 1000, fit: 4},
	{name: "W3", nodes: 100, gpusPerNode: 8, gangs: 60, size: 64, fit: 12, shuffled: true},
}

// member is one pod of a workload: the index-th of a gang.
type member struct{ gang, index int }

// String says the workload in words, as a heading.
func (w workload) String() string {
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
