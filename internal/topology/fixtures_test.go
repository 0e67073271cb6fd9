package topology

import (
	"fmt"
	"testing"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

var (
	block = Level{"block", "example.com/block"}
	rack  = Level{"rack", "example.com/rack"}
	host  = Level{"host", "kubernetes.io/hostname"}
)

// place makes labels of values, the widest first; "" is no label.
func place(levels []Level, values ...string) map[string]string {
	labels := map[string]string{}
	for i, value := range values {
		if value != "" {
			labels[levels[i].Label] = value
		}
	}
	return labels
}

// equal makes a problem of one class on nodes that have so many GPUs free.
func equal(members int, free ...int64) gang.Problem {
	p := gang.Problem{Need: gang.Need{Total: members}}
	class := gang.Class{Count: members, Request: resource.Vector{1}}
	for node, gpus := range free {
		p.Nodes = append(p.Nodes, gang.Node{Free: resource.Vector{gpus}})
		class.Nodes = append(class.Nodes, int32(node))
	}
	p.Classes = []gang.Class{class}
	return p
}

// racks is a tree of one level with so many nodes in each rack, in order: r1, r2, ...
func racks(sizes ...int) *Tree {
	levels := []Level{rack}
	var labels []map[string]string
	for i, n := range sizes {
		for range n {
			labels = append(labels, place(levels, fmt.Sprintf("r%d", i+1)))
		}
	}
	return New("default", levels, labels)
}

func mustPlan(t *testing.T, p gang.Problem, r *Request) Answer {
	t.Helper()
	a, err := Plan(p, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
