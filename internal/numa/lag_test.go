package numa

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

// give takes a pod into the kubelet for as long as it runs. It reports false where the kubelet refuses it.
func (k *kubelet) give(pod Pod, podScope bool) bool {
	if podScope {
		sum := resource.Amounts{}
		for _, c := range pod.Containers {
			sum.Add(c)
		}
		return k.aligns(sum, true)
	}
	return k.admits(pod, false)
}

// report is what the kubelet has given out by now.
func (k *kubelet) report(layout *Layout) {
	for z := range layout.Nodes {
		layout.Nodes[z].Available = k.free[z].Clone()
	}
}

// Pods that come one after the other, while the report lags by any number of them, are never refused by a strict kubelet where
// they were placed.
func TestPodsAreNotRefusedWhileReportsLag(t *testing.T) {
	refused, placed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		layout := empty(drawLayout(t, SingleNode, Restricted))
		k := newKubelet(layout)
		var running []Pod
		for range 8 {
			pod := drawPod(t)
			pod.Required, pod.Init = Anywhere, nil
			node := Node{Layout: layout, Allocatable: allocatable(layout), Pods: running}
			if node.Fits(pod).Reason != "" {
				refused++
				continue
			}
			if !k.give(pod, layout.PodScope) {
				t.Fatalf("the kubelet refuses %+v beside %+v, with a report of %+v", pod, running, layout.Nodes)
			}
			placed++
			running = append(running, pod)
			if rapid.IntRange(0, 2).Draw(t, "reports") == 0 {
				k.report(layout)
			}
		}
	})
	if refused == 0 || placed == 0 {
		t.Errorf("%d pods were placed and %d refused: nothing was tried", placed, refused)
	}
}
