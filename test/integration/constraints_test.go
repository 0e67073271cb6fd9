package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// constraint is a gang and what keeps its members from nodes that have room for them.
type constraint struct {
	nodes []*corev1.Node
	// objects are created before the gang; those that are pods are bound where they say.
	objects []client.Object
	min     int32
	gang    []*corev1.Pod
	// want is how many members are bound in the end; allowed, if any, the only nodes that they may have, and per the
	// most of them that one node may have.
	want    int
	allowed []string
	per     int
}

// The scheduler's own filters decide where members may go: a plan never contradicts them, finds a way that they leave
// open, and places nobody where there is none for all.
func TestConstraints(t *testing.T) {
	groups := map[string]func() map[string]constraint{
		"nodes": nodeConstraints, "ports": portConstraints, "affinity": affinityConstraints, "spread": spreadConstraints,
		"volumes": volumeConstraints, "devices": deviceConstraints,
	}
	for group, cases := range groups {
		t.Run(group, func(t *testing.T) {
			for name, c := range cases() {
				t.Run(name, func(t *testing.T) { c.run(t) })
			}
		})
	}
}

func (c constraint) run(t *testing.T) {
	e := setUp(t, c.nodes...)
	e.create(c.objects...)
	for _, object := range c.objects {
		switch o := object.(type) {
		case *corev1.Pod:
			e.expectPodBound(o.Name)
		case *corev1.PersistentVolumeClaim:
			if o.Spec.VolumeName != "" {
				e.expectClaimBound(o.Name)
			}
		}
	}
	e.create(podGroup("gang", c.min))
	e.createPods(c.gang...)
	if c.want == 0 {
		e.expectRefused("gang")
		return
	}
	e.expectBound("gang", c.want)
	e.checkPlaces("gang", c.allowed, c.per)
}

// checkPlaces checks that the members of a gang are on nodes where they may be, and at most so many on each unless that
// is 0.
func (e *env) checkPlaces(gang string, allowed []string, per int) {
	e.Helper()
	on := map[string]int{}
	for _, p := range e.boundPods(gang) {
		on[p.Spec.NodeName]++
	}
	may := map[string]bool{}
	for _, name := range allowed {
		may[name] = true
	}
	for name, n := range on {
		if len(allowed) > 0 && !may[name] {
			e.Errorf("%d members are on %s, allowed are %v", n, name, allowed)
		}
		if per > 0 && n > per {
			e.Errorf("%d members are on %s, at most %d may be", n, name, per)
		}
	}
}

func nodeConstraints() map[string]constraint {
	zones := func() []*corev1.Node {
		return []*corev1.Node{
			node("a-0", cpu(4), nodeLabel("zone", "a")), node("a-1", cpu(4), nodeLabel("zone", "a")), node("b-0", cpu(8), nodeLabel("zone", "b")),
		}
	}
	required := func(operator corev1.NodeSelectorOperator, values ...string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: operator, Values: values}}}},
			}}}
		}
	}
	tolerate := func(p *corev1.Pod) {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: "reserved", Operator: corev1.TolerationOpExists})
	}
	taints := func() []*corev1.Node {
		return []*corev1.Node{node("plain", cpu(2)), node("tainted", cpu(4), nodeTaint("reserved"))}
	}
	byName := func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{"a-1"}}}}},
		}}}
	}
	mixed := append(members("gang", 4, cpu(1), onNodesWith("zone", "a"), role("near")), members("gang", 4, cpu(2), onNodesWith("zone", "b"), role("far"))...)
	return map[string]constraint{
		"node selector":               {nodes: zones(), min: 8, gang: members("gang", 8, cpu(1), onNodesWith("zone", "a")), want: 8, allowed: []string{"a-0", "a-1"}},
		"node selector without room":  {nodes: zones(), min: 9, gang: members("gang", 9, cpu(1), onNodesWith("zone", "a"))},
		"node affinity":               {nodes: zones(), min: 8, gang: members("gang", 8, cpu(1), required(corev1.NodeSelectorOpNotIn, "a")), want: 8, allowed: []string{"b-0"}},
		"node affinity without room":  {nodes: zones(), min: 3, gang: members("gang", 3, cpu(3), required(corev1.NodeSelectorOpIn, "a"))},
		"node by name":                {nodes: zones(), min: 4, gang: members("gang", 4, cpu(1), byName), want: 4, allowed: []string{"a-1"}},
		"node by name without room":   {nodes: zones(), min: 5, gang: members("gang", 5, cpu(1), byName)},
		"roles on different nodes":    {nodes: zones(), min: 8, gang: mixed, want: 8, per: 4},
		"taints":                      {nodes: taints(), min: 2, gang: members("gang", 2, cpu(1)), want: 2, allowed: []string{"plain"}},
		"taints without room":         {nodes: taints(), min: 3, gang: members("gang", 3, cpu(1))},
		"taints that are tolerated":   {nodes: taints(), min: 6, gang: members("gang", 6, cpu(1), tolerate), want: 6},
		"cordoned nodes":              {nodes: []*corev1.Node{node("a", cpu(2)), node("b", cpu(4), func(n *corev1.Node) { n.Spec.Unschedulable = true })}, min: 2, gang: members("gang", 2, cpu(1)), want: 2, allowed: []string{"a"}},
		"as many pods as a node runs": {nodes: nodes(2, corev1.ResourceList{corev1.ResourceCPU: quantity("64"), corev1.ResourcePods: quantity("3")}), min: 6, gang: members("gang", 6, cpu(1)), want: 6, per: 3},
		"more pods than nodes run":    {nodes: nodes(2, corev1.ResourceList{corev1.ResourceCPU: quantity("64"), corev1.ResourcePods: quantity("3")}), min: 7, gang: members("gang", 7, cpu(1))},
	}
}

func portConstraints() map[string]constraint {
	port := func(p *corev1.Pod) {
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 2222, HostPort: 2222}}
	}
	return map[string]constraint{
		"host ports":              {nodes: nodes(3, cpu(8)), min: 3, gang: members("gang", 3, cpu(1), port), want: 3, per: 1},
		"host ports without room": {nodes: nodes(3, cpu(8)), min: 4, gang: members("gang", 4, cpu(1), port)},
		"host ports in use":       {nodes: nodes(3, cpu(8)), objects: []client.Object{pod("other", "", cpu(1), port)}, min: 3, gang: members("gang", 3, cpu(1), port)},
	}
}

// near asks for pods with a label in the same domain, or for none.
func near(label, value, topologyKey string) []corev1.PodAffinityTerm {
	return []corev1.PodAffinityTerm{{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}, TopologyKey: topologyKey}}
}

func together(label, value, topologyKey string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: near(label, value, topologyKey)}}
	}
}

func apart(label, value, topologyKey string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: near(label, value, topologyKey)}}
	}
}

// racked are nodes of so many CPUs in racks of two.
func racked(n, cpus int) []*corev1.Node {
	list := nodes(n, cpu(cpus))
	for i, node := range list {
		node.Labels["rack"] = fmt.Sprintf("rack-%d", i/2)
	}
	return list
}

func affinityConstraints() map[string]constraint {
	job := podLabel("job", "x")
	withPS := append(members("gang", 1, cpu(1), role("ps"), job), members("gang", 3, cpu(1), role("worker"), together("job", "x", "rack"))...)
	occupied := func() []client.Object {
		return []client.Object{pod("other", "", cpu(1), podLabel("keep", "away"), onNodesWith(corev1.LabelHostname, "node-0"), apart("job", "x", corev1.LabelHostname))}
	}
	return map[string]constraint{
		"one member for a node":            {nodes: nodes(3, cpu(8)), min: 3, gang: members("gang", 3, cpu(1), job, apart("job", "x", corev1.LabelHostname)), want: 3, per: 1},
		"one member for a node, too few":   {nodes: nodes(3, cpu(8)), min: 4, gang: members("gang", 4, cpu(1), job, apart("job", "x", corev1.LabelHostname))},
		"one member for a rack":            {nodes: racked(6, 8), min: 3, gang: members("gang", 3, cpu(1), job, apart("job", "x", "rack")), want: 3, per: 1},
		"all in one rack":                  {nodes: racked(4, 2), min: 4, gang: members("gang", 4, cpu(1), job, together("job", "x", "rack")), want: 4},
		"all in one rack, which is full":   {nodes: racked(4, 2), min: 5, gang: members("gang", 5, cpu(1), job, together("job", "x", "rack"))},
		"workers near the server":          {nodes: racked(4, 2), min: 4, gang: withPS, want: 4},
		"kept away by another pod":         {nodes: nodes(2, cpu(4)), objects: occupied(), min: 4, gang: members("gang", 4, cpu(1), job), want: 4, allowed: []string{"node-1"}},
		"kept away by another, no room":    {nodes: nodes(2, cpu(4)), objects: occupied(), min: 5, gang: members("gang", 5, cpu(1), job)},
		"near a pod that does not exist":   {nodes: nodes(2, cpu(4)), min: 2, gang: members("gang", 2, cpu(1), together("job", "y", corev1.LabelHostname))},
		"near a pod that runs":             {nodes: nodes(2, cpu(4)), objects: []client.Object{pod("other", "", cpu(1), job, onNodesWith(corev1.LabelHostname, "node-1"))}, min: 3, gang: members("gang", 3, cpu(1), together("job", "x", corev1.LabelHostname)), want: 3, allowed: []string{"node-1"}},
		"near a pod that runs, no room":    {nodes: nodes(2, cpu(4)), objects: []client.Object{pod("other", "", cpu(1), job, onNodesWith(corev1.LabelHostname, "node-1"))}, min: 4, gang: members("gang", 4, cpu(1), together("job", "x", corev1.LabelHostname))},
		"affinity that bends to free room": {nodes: append(racked(2, 1), racked(4, 2)[2:]...), min: 4, gang: members("gang", 4, cpu(1), job, together("job", "x", "rack")), want: 4, allowed: []string{"node-2", "node-3"}},
	}
}

func spreadConstraints() map[string]constraint {
	spread := func(skew int32, key string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Labels["job"] = "x"
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
				MaxSkew: skew, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"job": "x"}},
			}}
		}
	}
	uneven := func() []*corev1.Node {
		return []*corev1.Node{node("small", cpu(1), nodeLabel("rack", "a")), node("large", cpu(8), nodeLabel("rack", "b"))}
	}
	return map[string]constraint{
		"evenly":                   {nodes: nodes(3, cpu(8)), min: 6, gang: members("gang", 6, cpu(1), spread(1, corev1.LabelHostname)), want: 6, per: 2},
		"evenly over racks":        {nodes: racked(4, 4), min: 8, gang: members("gang", 8, cpu(1), spread(1, "rack")), want: 8, per: 4},
		"as evenly as allowed":     {nodes: uneven(), min: 4, gang: members("gang", 4, cpu(1), spread(2, "rack")), want: 4, per: 3},
		"less evenly than allowed": {nodes: uneven(), min: 4, gang: members("gang", 4, cpu(1), spread(1, "rack"))},
	}
}
