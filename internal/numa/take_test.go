package numa

import (
	"testing"

	"pgregory.net/rapid"
)

func TestTake(t *testing.T) {
	tests := map[string]struct {
		policy         Policy
		free           []int64
		pod            int64
		nodes, islands []int64
	}{
		"strict: the first that has room":       {SingleNode, []int64{3, 2}, 2, []int64{2, 0}, []int64{0, 2}},
		"lenient: the one that it fits best":    {None, []int64{3, 2}, 2, []int64{0, 2}, []int64{0, 2}},
		"nowhere together: of both":             {BestEffort, []int64{2, 3}, 4, []int64{1, 3}, []int64{1, 3}},
		"more than there is: what there is":     {None, []int64{1, 0}, 4, []int64{1, 0}, []int64{1, 0}},
		"restricted, as few as an empty node's": {Restricted, []int64{4, 4}, 6, []int64{4, 2}, []int64{4, 2}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			parts := zones("zone", 4, test.free[0], 4, test.free[1])
			layout := &Layout{Policy: test.policy, Nodes: parts, Islands: parts}
			nodes, islands := Node{Layout: layout}.Take(gpus(Anywhere, test.pod))
			for z := range test.free {
				if nodes[z][gpu] != test.nodes[z] || islands[z][gpu] != test.islands[z] {
					t.Fatalf("takes %v of the NUMA nodes and %v of the islands, want %v and %v", nodes, islands, test.nodes, test.islands)
				}
			}
		})
	}
}

// What fits takes what a strict kubelet gives it.
func TestTakesWhatTheKubeletGives(t *testing.T) {
	placed := 0
	rapid.Check(t, func(t *rapid.T) {
		layout := empty(drawLayout(t, SingleNode, Restricted))
		k := newKubelet(layout)
		k.report(layout)
		var running []Pod
		for range 8 {
			pod := drawPod(t)
			pod.Required, pod.Init = Anywhere, nil
			node := Node{Layout: layout, Allocatable: allocatable(layout), Pods: running}
			if node.Fits(pod).Reason != "" {
				continue
			}
			nodes, _ := node.Take(pod)
			if !k.give(pod, layout.PodScope) {
				t.Fatalf("the kubelet refuses %+v beside %+v", pod, running)
			}
			for z := range nodes {
				layout.Nodes[z].Available.Sub(nodes[z])
				for name, free := range k.free[z] {
					if layout.Nodes[z].Available[name] != free {
						t.Fatalf("of zone %d %v is left, the kubelet has %v", z, layout.Nodes[z].Available, k.free[z])
					}
				}
			}
			placed++
			running = append(running, pod)
		}
	})
	if placed == 0 {
		t.Error("nothing was placed: nothing was tried")
	}
}
