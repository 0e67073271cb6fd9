package scenario

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
	"github.com/muster-scheduling/muster/internal/simulate/input"
	"github.com/muster-scheduling/muster/internal/topology"
)

// build makes what a simulation starts from, and tells which gangs each group of the scenario stands for.
func (sc Scenario) build() (w simulate.Workload, groups map[string][]int, err error) {
	w.Start = epoch
	if w.Nodes, err = nodes(sc.Nodes); err != nil {
		return w, nil, err
	}
	if w.Queues, err = queues(sc.Queues); err != nil {
		return w, nil, err
	}
	for _, t := range sc.Topologies {
		w.Topologies = append(w.Topologies, input.Topology(t.Name, t.TopologySpec))
	}
	groups = map[string][]int{}
	for _, group := range sc.Gangs {
		gangs, err := group.build()
		if err != nil {
			return w, nil, fmt.Errorf("gang %q: %w", group.Name, err)
		}
		for _, g := range gangs {
			if g.Name != group.Name {
				groups[g.Name] = []int{len(w.Gangs)}
			}
			groups[group.Name] = append(groups[group.Name], len(w.Gangs))
			w.Gangs = append(w.Gangs, g)
		}
	}
	for i, step := range sc.Then {
		s := simulate.Step{At: at(step.At), DeleteQueues: step.DeleteQueues, LoseNodes: step.LoseNodes, Withdraw: step.Withdraw}
		if s.SetQueues, err = queues(step.Queues); err != nil {
			return w, nil, fmt.Errorf("then[%d]: %w", i, err)
		}
		if s.AddNodes, err = nodes(step.AddNodes); err != nil {
			return w, nil, fmt.Errorf("then[%d]: %w", i, err)
		}
		w.Steps = append(w.Steps, s)
	}
	return w, groups, nil
}

func (o Options) build() simulate.Options {
	reservations := 1
	if o.Reservations != nil {
		reservations = *o.Reservations
	}
	return simulate.Options{
		Dispatch: dispatch.Options{Reservations: reservations, Patience: o.Patience.Duration},
		MaxRatio: o.MaxRatio, HalfLife: o.HalfLife.Duration, Grace: o.Grace.Duration, Audit: true,
	}
}

func nodes(groups []Nodes) ([]simulate.Node, error) {
	var nodes []simulate.Node
	for _, group := range groups {
		amounts, err := input.Amounts(group.Capacity)
		if err != nil {
			return nil, fmt.Errorf("node %q: %w", group.Name, err)
		}
		if _, ok := amounts[simulate.Pods]; !ok {
			amounts[simulate.Pods] = input.DefaultPods
		}
		for _, name := range names(group.Name, group.Count) {
			nodes = append(nodes, simulate.Node{Name: name, Allocatable: amounts.Clone(), Labels: group.Labels, Layout: (*simulate.Layout)(group.Layout)})
		}
	}
	return nodes, nil
}

func queues(list []Queue) ([]ledger.Queue, error) {
	var queues []ledger.Queue
	for _, q := range list {
		queue, err := input.Queue(q.Name, q.QueueSpec)
		if err != nil {
			return nil, fmt.Errorf("queue %q: %w", q.Name, err)
		}
		queues = append(queues, queue)
	}
	return queues, nil
}

func (group Gangs) build() ([]simulate.Gang, error) {
	request, err := amounts(group.Request)
	if err != nil {
		return nil, err
	}
	g := simulate.Gang{
		Queue: group.Queue, Priority: group.Priority, Pods: max(group.Pods, 1), Min: group.Min, Request: request,
		Duration: group.Duration.Duration, Expected: group.Expected.Duration, Firm: group.Firm,
		Topology: simulate.Wants{Gang: topology.Want(group.Topology), Segment: group.Segments.Size, Part: topology.Want(group.Segments.Want)},
	}
	if g.Near, err = numa.ParseLocality(string(group.GPUTopology.Required)); err != nil {
		return nil, fmt.Errorf("gpuTopology.required: %w", err)
	}
	if g.Queue == "" {
		g.Queue = ledger.Default
	}
	if g.Min == 0 {
		g.Min = g.Pods
	}
	for _, node := range slices.Sorted(maps.Keys(group.RunsOn)) {
		for range group.RunsOn[node] {
			g.Bound = append(g.Bound, node)
		}
	}
	var gangs []simulate.Gang
	for i, name := range names(group.Name, group.Count) {
		one := g
		one.Name = name
		one.Arrival = at(group.Arrival).Add(time.Duration(i) * group.Every.Duration)
		one.Request = request.Clone()
		if len(g.Bound) > 0 {
			one.Started = at(group.Started)
			one.Arrival = one.Started
		}
		gangs = append(gangs, one)
	}
	return gangs, nil
}

// amounts is what one pod asks for, the pod itself included.
func amounts(request corev1.ResourceList) (resource.Amounts, error) {
	amounts, err := input.Amounts(request)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	amounts[simulate.Pods] = 1
	return amounts, nil
}

func names(name string, count int) []string {
	if count == 0 {
		return []string{name}
	}
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", name, i+1)
	}
	return names
}
