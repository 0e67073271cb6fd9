// Package packing decides how a profile fills nodes: it keeps what is left usable for the shapes that wait and have been
// seen, or spreads. It scores the nodes of pods that are placed on their own; gangs are packed when they are planned, by the
// same costs.
package packing

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	configv1alpha1 "github.com/muster-scheduling/muster/apis/config/v1alpha1"
	"github.com/muster-scheduling/muster/plugins/placement"
	"github.com/muster-scheduling/muster/plugins/state"
)

// Name is the plugin's name in a KubeSchedulerConfiguration.
const Name = "Packing"

// Packing scores the nodes that a pod may have by what it would spoil there.
type Packing struct {
	planner *placement.Planner
}

var (
	_ fwk.PreScorePlugin = &Packing{}
	_ fwk.ScorePlugin    = &Packing{}
)

// New makes the plugin over the gangs of its scheduler, and tells them how its profile packs.
func New(args *configv1alpha1.PackingArgs, handle fwk.Handle, gangs *state.Store) (*Packing, error) {
	planner, err := placement.New(handle, gangs)
	if err != nil {
		return nil, fmt.Errorf("making plugin %s: %w", Name, err)
	}
	gangs.SetPacking(planner.Profile(), args.Strategy)
	gangs.Remember(args.Memory.Duration)
	return &Packing{planner: planner}, nil
}

// Name is the plugin's name.
func (pl *Packing) Name() string { return Name }

// scoresKey is the key of the scores of a cycle's nodes.
const scoresKey fwk.StateKey = Name + "/scores"

// scores are those of nodes by name, from 0 to the framework's highest.
type scores map[string]int64

// Clone returns the scores themselves: they do not change.
func (s scores) Clone() fwk.StateData { return s }

// PreScore scores all nodes at once: the order is what counts, and equal nodes have equal scores. When a gang is planned it has
// nothing to say, since the planner packs by itself.
func (pl *Packing) PreScore(_ context.Context, cycle fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) *fwk.Status {
	if len(nodes) < 2 || placement.IsSimulation(cycle) {
		return fwk.NewStatus(fwk.Skip)
	}
	ranks := pl.planner.Ranks(pod, nodes)
	last := max(slices.Max(ranks), 1)
	byName := make(scores, len(nodes))
	for i, node := range nodes {
		byName[node.Node().Name] = fwk.MaxScore * int64(last-ranks[i]) / int64(last)
	}
	cycle.Write(scoresKey, byName)
	return nil
}

// Score is what PreScore found for a node.
func (pl *Packing) Score(_ context.Context, cycle fwk.CycleState, _ *corev1.Pod, node fwk.NodeInfo) (int64, *fwk.Status) {
	data, err := cycle.Read(scoresKey)
	if err != nil {
		return 0, fwk.AsStatus(fmt.Errorf("reading the scores of plugin %s: %w", Name, err))
	}
	byName, ok := data.(scores)
	if !ok {
		return 0, fwk.NewStatus(fwk.Error, "the scores have another type than expected")
	}
	return byName[node.Node().Name], nil
}

// ScoreExtensions is nil: the scores are within the framework's range.
func (pl *Packing) ScoreExtensions() fwk.ScoreExtensions { return nil }
