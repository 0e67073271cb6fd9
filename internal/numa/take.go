package numa

import (
	"maps"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Take says what a pod takes of each NUMA node and of each NVLink island if it comes next, by the same judgement as Fits.
// For who plays the kubelet: the report has to count all pods that are on the node. What fits into no zones near enough is
// taken from several, as far as they have it.
func (n Node) Take(pod Pod) (nodes, islands []resource.Amounts) {
	var listed, all []string
	for _, c := range pod.Containers {
		listed = append(listed, n.Layout.listed(c)...)
		all = slices.AppendSeq(all, maps.Keys(c))
	}
	return n.taken(NUMA, pod, listed), n.taken(NVLink, pod, all)
}

func (n Node) taken(near Locality, pod Pod, names []string) []resource.Amounts {
	p, take := n.plan(near, names)
	free := p.less(p.used)
	left := free.clone()
	for _, request := range p.asked(pod, n.Layout.PodScope) {
		take(left, request)
	}
	taken := make([]resource.Amounts, len(p.zones))
	for z := range taken {
		taken[z] = resource.Amounts{}
		for r, name := range p.names {
			if amount := free[z][r] - left[z][r]; amount > 0 {
				taken[z][name] = amount
			}
		}
	}
	return taken
}
