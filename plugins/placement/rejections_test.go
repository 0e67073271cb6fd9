package placement

import (
	"fmt"
	"testing"

	fwk "k8s.io/kube-scheduler/framework"
)

// Reasons with numbers differ from node to node: the most frequent are told, and how many more there are.
func TestReasonsAreBounded(t *testing.T) {
	r := newRejections(40)
	for node := range 30 {
		r.add(node, fwk.NewStatus(fwk.Unschedulable, fmt.Sprintf("node(s) with %d free", max(node-20, 0))))
	}
	const want = "30/40 nodes cannot take even one member: 21 node(s) with 0 free, 1 node(s) with 1 free, 1 node(s) with 2 free, " +
		"1 node(s) with 3 free, 1 node(s) with 4 free, 1 node(s) with 5 free, and 4 reasons more"
	if got := r.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
