package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

// level is a kind of domain of nodes: so many of them, of equal size, named by a label.
type level struct {
	name, label string
	domains     int
}

func block(domains int) level { return level{"block", "topology.muster.dev/block", domains} }
func rack(domains int) level  { return level{"rack", "topology.muster.dev/rack", domains} }

// upstreamLevels are the labels that Kubernetes' own benchmark of topology-aware scheduling gives its nodes: each rack is a
// zone as well.
func upstreamLevels(racks int) []level {
	return []level{{"zone", corev1.LabelTopologyZone, racks}, {"rack", "topology.kubernetes.io/rack", racks}}
}

// nodeGroups divides equal nodes into the narrowest domains, and labels them with all of theirs.
func nodeGroups(nodes localcluster.NodeGroup, levels []level) []localcluster.NodeGroup {
	if len(levels) == 0 {
		return []localcluster.NodeGroup{nodes}
	}
	count := levels[len(levels)-1].domains
	groups := make([]localcluster.NodeGroup, count)
	for i := range groups {
		g := nodes
		g.Name = fmt.Sprintf("%s-%d", nodes.Name, i)
		g.Count = nodes.Count*(i+1)/count - nodes.Count*i/count
		g.Labels = map[string]string{}
		for _, l := range levels {
			g.Labels[l.label] = fmt.Sprintf("%s-%d", l.name, i*l.domains/count)
		}
		groups[i] = g
	}
	return groups
}

var topologyResource = schedulingv1alpha1.GroupVersion.WithResource("topologies")

// createTopology tells Muster of the levels of a workload. Others are told of them gang by gang.
func createTopology(ctx context.Context, c *clients, levels []level) error {
	if len(levels) == 0 {
		return nil
	}
	topology := &schedulingv1alpha1.Topology{
		TypeMeta:   metav1.TypeMeta{APIVersion: schedulingv1alpha1.GroupVersion.String(), Kind: "Topology"},
		ObjectMeta: metav1.ObjectMeta{Name: "bench"},
	}
	for _, l := range levels {
		topology.Spec.Levels = append(topology.Spec.Levels, schedulingv1alpha1.TopologyLevel{Name: l.name, NodeLabel: l.label})
	}
	if err := createObject(ctx, c.dynamic.Resource(topologyResource), topology); err != nil {
		return fmt.Errorf("creating the Topology %s: %w", topology.Name, err)
	}
	return nil
}

// asked is the level that the gangs of a workload ask for in one way or the other.
func (w workload) asked() (level, bool) {
	i := slices.IndexFunc(w.levels, func(l level) bool { return l.name == w.required || l.name == w.preferred })
	if i < 0 {
		return level{}, false
	}
	return w.levels[i], true
}

// annotations are how the gangs of a workload ask Muster for their levels.
func (w workload) annotations() map[string]string {
	asks := map[string]string{
		schedulingv1alpha1.TopologyRequiredAnnotation:  w.required,
		schedulingv1alpha1.TopologyPreferredAnnotation: w.preferred,
	}
	maps.DeleteFunc(asks, func(_, name string) bool { return name == "" })
	return asks
}

// nativeConstraints are how the gangs of a workload ask upstream's scheduler for a level: it knows none that is preferred.
func (w workload) nativeConstraints() *schedulingv1beta1.PodGroupSchedulingConstraints {
	asked, ok := w.asked()
	if !ok || w.required == "" {
		return nil
	}
	return &schedulingv1beta1.PodGroupSchedulingConstraints{Topology: []schedulingv1beta1.TopologyConstraint{{Key: asked.label}}}
}

// errConstraintsDropped says that the API server does not know the field: its feature gate is off.
var errConstraintsDropped = errors.New("the API server dropped the scheduling constraints")

// gates are the feature gates of Kubernetes that upstream's scheduler needs for a workload, the same as in upstream's own
// benchmarks.
func (w workload) gates() map[string]bool {
	gates := map[string]bool{"GenericWorkload": true}
	if w.nativeConstraints() != nil {
		gates["TopologyAwareWorkloadScheduling"] = true
	}
	return gates
}

// checkDomains looks up in which domains of the level that they ask for the gangs are, and counts those that are in more
// than one. If one is required, the result is broken then, and has no rate that could be compared.
func (r *result) checkDomains(ctx context.Context, c *clients, w workload, t trace) error {
	asked, ok := w.asked()
	if !ok {
		return nil
	}
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing the nodes: %w", err)
	}
	domain := make(map[string]string, len(nodes.Items))
	for _, n := range nodes.Items {
		domain[n.Name] = n.Labels[asked.label]
	}
	split, example := splitGangs(t, domain)
	r.values["split_gangs"] = float64(split)
	if split > 0 && w.required != "" {
		delete(r.values, rate)
		r.broken, r.complete = true, false
		r.note = fmt.Sprintf("one %s is required, but %d of %d gangs are in several: %s", asked.name, split, w.gangs, example)
	}
	return nil
}

// splitGangs counts the gangs with pods in more than one domain, where domain is that of each node, and shows one of them.
// A node in no domain is one of its own.
func splitGangs(t trace, domain map[string]string) (count int, example string) {
	of := map[string]map[string]bool{}
	for _, e := range t.events {
		if of[e.Gang] == nil {
			of[e.Gang] = map[string]bool{}
		}
		node := t.nodes[e.Pod]
		if domain[node] == "" {
			of[e.Gang]["the node "+node] = true
		} else {
			of[e.Gang][domain[node]] = true
		}
	}
	for _, gang := range slices.Sorted(maps.Keys(of)) {
		if len(of[gang]) < 2 {
			continue
		}
		if count++; count == 1 {
			in := slices.Sorted(maps.Keys(of[gang]))
			example = fmt.Sprintf("%s is in %d, among them %s and %s", gang, len(in), in[0], in[1])
		}
	}
	return count, example
}
