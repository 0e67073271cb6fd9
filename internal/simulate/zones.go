package simulate

import (
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/internal/resource"
)

// zones are the NUMA nodes and NVLink islands of a node, and which of their GPUs its pods have. The simulation plays the
// kubelet: a pod keeps the GPUs that it got when it came. What the node reports of that never lags.
type zones struct {
	report numa.Layout
	gpus   int64
	taken  map[podRef]taken
}

// taken is what a pod has of each zone.
type taken struct {
	pod            numa.Pod
	nodes, islands []resource.Amounts
}

// newZones is nil for a node that does not tell its layout.
func newZones(l *Layout, gpus int64) (*zones, error) {
	if l == nil {
		return nil, nil
	}
	z := &zones{report: numa.Layout{Policy: l.Policy}, gpus: gpus, taken: map[podRef]taken{}}
	if !slices.Contains([]numa.Policy{"", numa.None, numa.BestEffort, numa.Restricted, numa.SingleNode}, l.Policy) {
		return nil, fmt.Errorf("a kubelet has no policy %q", l.Policy)
	}
	divide := func(kind string, sizes []int64) (parts []numa.Zone, sum int64, err error) {
		for i, size := range sizes {
			if size < 0 || size > gpus {
				return nil, 0, fmt.Errorf("%s-%d has %d of its %d GPUs", kind, i, size, gpus)
			}
			sum += size
			parts = append(parts, numa.Zone{Name: fmt.Sprintf("%s-%d", kind, i), Allocatable: resource.Amounts{GPU: size}, Available: resource.Amounts{GPU: size}})
		}
		return parts, sum, nil
	}
	var sum, linked int64
	var err error
	if z.report.Nodes, sum, err = divide("node", l.NUMA); err != nil {
		return nil, err
	}
	if z.report.Islands, linked, err = divide("nvlink", l.NVLink); err != nil {
		return nil, err
	}
	if len(l.NUMA) > 0 && sum != gpus || linked > gpus {
		return nil, fmt.Errorf("its NUMA nodes have %d GPUs and its NVLink islands %d, the node has %d", sum, linked, gpus)
	}
	return z, nil
}

// occupy gives a pod GPUs beside those on the node.
func (z *zones) occupy(beside []podRef, pod podRef, asked numa.Pod) {
	t := taken{pod: asked}
	t.nodes, t.islands = z.with(beside).Take(asked)
	z.taken[pod] = t
	for i, amounts := range t.nodes {
		z.report.Nodes[i].Available.Sub(amounts)
	}
	for i, amounts := range t.islands {
		z.report.Islands[i].Available.Sub(amounts)
	}
}

func (z *zones) vacate(pod podRef) {
	giveBack(&z.report, z.taken[pod])
	delete(z.taken, pod)
}

func giveBack(report *numa.Layout, t taken) {
	for i, amounts := range t.nodes {
		report.Nodes[i].Available.Add(amounts)
	}
	for i, amounts := range t.islands {
		report.Islands[i].Available.Add(amounts)
	}
}

// with is the node with some of its pods, oldest first.
func (z *zones) with(pods []podRef) numa.Node {
	n := numa.Node{Layout: &z.report, Allocatable: resource.Amounts{GPU: z.gpus}}
	for _, pod := range pods {
		n.Pods = append(n.Pods, z.taken[pod].pod)
	}
	return n
}

// without is the node as if some of its pods had left: as the scheduler has to judge, which is not told which GPUs they have,
// and then as it would be.
func (z *zones) without(pods []podRef, gone map[podRef]bool) []numa.Node {
	stay := slices.DeleteFunc(slices.Clone(pods), func(pod podRef) bool { return gone[pod] })
	if len(stay) == len(pods) {
		return []numa.Node{z.with(pods)}
	}
	then := z.report
	then.Nodes, then.Islands = clone(then.Nodes), clone(then.Islands)
	for _, pod := range pods {
		if gone[pod] {
			giveBack(&then, z.taken[pod])
		}
	}
	judged, is := z.with(stay), z.with(stay)
	is.Layout = &then
	return []numa.Node{judged, is}
}

func clone(zones []numa.Zone) []numa.Zone {
	zones = slices.Clone(zones)
	for i := range zones {
		zones[i].Available = zones[i].Available.Clone()
	}
	return zones
}

// aligned is what a member asks for of all that may have to be near each other.
func (j *job) aligned() numa.Pod {
	p := numa.Pod{Required: j.Near}
	if gpus := j.Request[GPU]; gpus > 0 {
		p.Containers = []resource.Amounts{{GPU: gpus}}
	}
	return p
}

// refusal is why a node can not give a pod GPUs near enough; empty where it can.
func (c *cluster) refusal(at int32, pod numa.Pod) string {
	n := &c.nodes[at]
	if n.zones == nil {
		return ""
	}
	return n.zones.with(n.pods).Fits(pod).Reason
}

// auditZones checks that pods have no more GPUs of each zone than there are, and those of a pod are near enough to each other.
func (s *Simulation) auditZones() error {
	for _, at := range s.cluster.alive {
		n := &s.cluster.nodes[at]
		if n.zones == nil {
			continue
		}
		nodes, islands := make([]int64, len(n.zones.report.Nodes)), make([]int64, len(n.zones.report.Islands))
		for _, pod := range n.pods {
			j, t := s.jobs[pod.job], n.zones.taken[pod]
			inNodes, inIslands := tally(nodes, t.nodes), tally(islands, t.islands)
			if !n.zones.mayHave(j, inNodes, inIslands) {
				return fmt.Errorf("a member of gang %q has its GPUs in %d NUMA nodes and %d NVLink islands of node %s", j.Name, inNodes, inIslands, n.name)
			}
		}
		if over(nodes, n.zones.report.Nodes) || over(islands, n.zones.report.Islands) {
			return fmt.Errorf("pods have %v GPUs of the NUMA nodes and %v of the NVLink islands of node %s", nodes, islands, n.name)
		}
	}
	return nil
}

// tally adds what a pod has of each zone, and returns how many zones that are.
func tally(sums []int64, taken []resource.Amounts) (zones int) {
	for i, amounts := range taken {
		if sums[i] += amounts[GPU]; amounts[GPU] > 0 {
			zones++
		}
	}
	return zones
}

func over(sums []int64, zones []numa.Zone) bool {
	for i, zone := range zones {
		if sums[i] > zone.Allocatable[GPU] {
			return true
		}
	}
	return false
}

// mayHave reports whether a member may have its GPUs in so many zones, by what it asks for and by the policy: restricted
// leaves it as few as an empty node would.
func (z *zones) mayHave(j *job, nodes, islands int) bool {
	asked := j.Request[GPU]
	switch {
	case asked == 0:
		return true
	case j.Near == numa.NUMA && asked > 1 && nodes != 1, j.Near == numa.NVLink && asked > 1 && islands != 1:
		return false
	case len(z.report.Nodes) == 0:
		return true
	case z.report.Policy == numa.SingleNode:
		return nodes == 1
	case z.report.Policy == numa.Restricted:
		var sizes []int64
		for _, zone := range z.report.Nodes {
			sizes = append(sizes, zone.Allocatable[GPU])
		}
		slices.Sort(sizes)
		for _, size := range slices.Backward(sizes) {
			if asked > 0 {
				asked -= size
				nodes--
			}
		}
		return nodes == 0
	}
	return true
}
