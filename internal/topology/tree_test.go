package topology

import (
	"reflect"
	"sync"
	"testing"
)

func TestTree(t *testing.T) {
	levels := []Level{block, rack, host}
	tree := New("default", levels, []map[string]string{
		0: place(levels, "b2", "r10", "n0"),
		1: place(levels, "b2", "r2", "n1"),
		2: nil, // not described
		3: place(levels, "b1", "r10", "n3"),
		4: place(levels, "", "r10", "n4"), // in a rack, but in no block
		5: place(levels, "b2", "r10"),
		6: {},
		7: place(levels, "", "r10", "n7"),
	})
	rackLevel, _ := tree.Level("rack")
	titles := map[int32]string{}
	for node := range int32(8) {
		titles[node] = tree.Title(rackLevel, tree.Domain(rackLevel, node))
	}
	want := map[int32]string{0: "rack b2/r10", 1: "rack b2/r2", 2: "no rack", 3: "rack b1/r10", 4: "rack r10", 5: "rack b2/r10", 6: "no rack", 7: "rack r10"}
	if !reflect.DeepEqual(titles, want) {
		t.Errorf("racks %v, want %v", titles, want)
	}
	// Along the tree: those without a block, then b1, then b2 with r2 before r10, and last the node that is not described.
	if order := []int32{6, 4, 7, 3, 1, 5, 0, 2}; !reflect.DeepEqual(places(tree.order), order) {
		t.Errorf("order %v, want %v", places(tree.order), order)
	}
	if nodes := tree.Nodes(rackLevel, tree.Domain(rackLevel, 5)); !reflect.DeepEqual(nodes, []int32{0, 5}) {
		t.Errorf("nodes of rack b2/r10 %v", nodes)
	}
	if tree.Domains(0) != 2 || tree.Domains(1) != 4 || tree.Domains(2) != 5 || tree.Name() != "default" || tree.Fault() != "" {
		t.Errorf("%d blocks, %d racks, %d hosts, fault %q", tree.Domains(0), tree.Domains(1), tree.Domains(2), tree.Fault())
	}
}

// places are the nodes in the order of a walk.
func places(order []int32) []int32 {
	nodes := make([]int32, len(order))
	for node, i := range order {
		nodes[i] = int32(node)
	}
	return nodes
}

// One tree serves many plans at a time.
func TestTreeIsShared(t *testing.T) {
	tree := threeLevels()
	plan := func(members int) Answer {
		r := &Request{Trees: []*Tree{tree}, Gang: Want{Required: "zone", Preferred: "rack"}}
		a, err := Plan(sixteen(members), r, nil)
		if err != nil {
			t.Error(err)
		}
		return a
	}
	var alone, together [12]Answer
	for n := range alone {
		alone[n] = plan(n + 1)
	}
	var wait sync.WaitGroup
	for n := range together {
		wait.Go(func() { together[n] = plan(n + 1) })
	}
	wait.Wait()
	if !reflect.DeepEqual(alone, together) {
		t.Errorf("alone %+v, at a time %+v", alone, together)
	}
}
