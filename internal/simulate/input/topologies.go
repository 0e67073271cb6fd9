package input

import (
	"errors"
	"fmt"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/simulate"
	"github.com/muster-scheduling/muster/internal/topology"
)

// Topologies reads Topology objects from YAML as Queues reads Queues. It fails on what the API server would refuse: no level,
// or one that is there twice.
func Topologies(data []byte) ([]simulate.Topology, error) {
	var topologies []simulate.Topology
	names := map[string]bool{}
	err := objects(data, "Topology", func(object v1alpha1.Topology) error {
		if object.Name == "" || names[object.Name] {
			return fmt.Errorf("topology %q has no name, or is there twice", object.Name)
		}
		names[object.Name] = true
		if err := checkLevels(object.Spec.Levels); err != nil {
			return fmt.Errorf("topology %q: levels: %w", object.Name, err)
		}
		topologies = append(topologies, Topology(object.Name, object.Spec))
		return nil
	})
	return topologies, err
}

// Topology converts the spec of a Topology object.
func Topology(name string, spec v1alpha1.TopologySpec) simulate.Topology {
	t := simulate.Topology{Name: name, NodeSelector: spec.NodeSelector}
	for _, level := range spec.Levels {
		t.Levels = append(t.Levels, topology.Level{Name: level.Name, Label: level.NodeLabel})
	}
	return t
}

func checkLevels(levels []v1alpha1.TopologyLevel) error {
	if len(levels) == 0 {
		return errors.New("there is none")
	}
	for i, level := range levels {
		if level.Name == "" || level.NodeLabel == "" {
			return fmt.Errorf("[%d]: it needs a name and a nodeLabel", i)
		}
		for _, wider := range levels[:i] {
			if level.Name == wider.Name || level.NodeLabel == wider.NodeLabel {
				return fmt.Errorf("[%d]: %s with the label %s is there twice", i, level.Name, level.NodeLabel)
			}
		}
	}
	return nil
}
