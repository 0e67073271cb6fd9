package placement

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/state"
)

// class is a number of members that no filter can tell apart.
type class struct {
	role    string
	pods    []*corev1.Pod
	request resource.Amounts
	// traits is what filters look at.
	traits traits
	// spread members keep a skew by a hard topology spread constraint.
	spread bool
	// singular members hold volumes or claims of their own, so that what was found for one says nothing of the next.
	singular bool
}

// traits are the parts of a pod that a filter may look at. What differs between the ranks of a job (names, commands,
// environment, mounts, generated token volumes) is left out.
type traits struct {
	Labels map[string]string
	// Near is what annotations ask of the place.
	Near []string
	Spec corev1.PodSpec
}

// classify groups pods into classes, in the order of their first members.
func (pl *Planner) classify(pods []*corev1.Pod) ([]*class, error) {
	looked, err := pl.labelsLookedAt(pods)
	if err != nil {
		return nil, err
	}
	var classes []*class
	for _, pod := range pods {
		c := &class{role: state.RoleOf(pod.Labels), traits: traitsOf(pod, looked), singular: holdsOwn(pod) || len(pl.claimedThroughDRA(pod)) > 0}
		same := func(other *class) bool {
			return !c.singular && other.role == c.role && equality.Semantic.DeepEqual(other.traits, c.traits)
		}
		// Ranks of one role mostly come one after the other: look at the newest class first.
		if at := lastIndexFunc(classes, same); at >= 0 {
			classes[at].pods = append(classes[at].pods, pod)
			continue
		}
		c.pods = []*corev1.Pod{pod}
		c.spread = spreads(pod)
		c.request = pl.requestOf(pod)
		classes = append(classes, c)
	}
	return classes, nil
}

func lastIndexFunc(classes []*class, same func(*class) bool) int {
	for i, class := range slices.Backward(classes) {
		if same(class) {
			return i
		}
	}
	return -1
}

// labelsLookedAt names the labels of the members that a filter may look at: those in the selectors of members that want
// to be near, away from or spread among others, and of running pods that keep others away. The rank that a job writes on
// each of its pods is rarely among them; if it counted, every member would be a class of its own.
func (pl *Planner) labelsLookedAt(pods []*corev1.Pod) (sets.Set[string], error) {
	looked := sets.New[string]()
	for _, pod := range pods {
		if pod.Spec.Affinity != nil {
			info, err := framework.NewPodInfo(pod)
			if err != nil {
				return nil, fmt.Errorf("reading the affinity of pod %s/%s: %w", pod.Namespace, pod.Name, err)
			}
			lookAt(looked, info.GetRequiredAffinityTerms())
			lookAt(looked, info.GetRequiredAntiAffinityTerms())
		}
		for _, constraint := range pod.Spec.TopologySpreadConstraints {
			looked.Insert(constraint.MatchLabelKeys...)
			selector, err := metav1.LabelSelectorAsSelector(constraint.LabelSelector)
			if err != nil {
				return nil, fmt.Errorf("reading the spread constraints of pod %s/%s: %w", pod.Namespace, pod.Name, err)
			}
			insertKeys(looked, selector)
		}
	}
	repelling, err := pl.handle.SnapshotSharedLister().NodeInfos().HavePodsWithRequiredAntiAffinityList()
	if err != nil {
		return nil, fmt.Errorf("listing the nodes whose pods keep others away: %w", err)
	}
	for _, node := range repelling {
		for _, info := range node.GetPodsWithRequiredAntiAffinity() {
			lookAt(looked, info.GetRequiredAntiAffinityTerms())
		}
	}
	return looked, nil
}

func lookAt(looked sets.Set[string], terms []fwk.AffinityTerm) {
	for _, term := range terms {
		insertKeys(looked, term.Selector)
	}
}

func insertKeys(keys sets.Set[string], selector labels.Selector) {
	requirements, _ := selector.Requirements()
	for _, requirement := range requirements {
		keys.Insert(requirement.Key())
	}
}

func traitsOf(pod *corev1.Pod, looked sets.Set[string]) traits {
	t := traits{Spec: state.Traits(pod), Near: state.Nearness(pod.Annotations)}
	for key := range looked {
		if value, has := pod.Labels[key]; has {
			if t.Labels == nil {
				t.Labels = map[string]string{}
			}
			t.Labels[key] = value
		}
	}
	return t
}

func holdsOwn(pod *corev1.Pod) bool {
	return len(pod.Spec.ResourceClaims) > 0 || slices.ContainsFunc(pod.Spec.Volumes, state.Restricts)
}

// constrainsOthers reports whether placing this pod can change where others may go, other than by the resources that it
// takes.
func (pl *Planner) constrainsOthers(pod *corev1.Pod) bool {
	affinity := pod.Spec.Affinity
	switch {
	case affinity != nil && affinity.PodAffinity != nil && len(affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0,
		affinity != nil && affinity.PodAntiAffinity != nil && len(affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0,
		holdsOwn(pod):
		return true
	}
	if spreads(pod) {
		return true
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, port := range container.Ports {
			if port.HostPort > 0 {
				return true
			}
		}
	}
	if aligned := state.AlignedOf(pod); aligned.NeedsNearGPUs() || aligned.Divides() && pl.gangs.HasStrictLayouts() {
		return true // It takes zones of the node, of which others may need more than is left in one.
	}
	return len(pl.claimedThroughDRA(pod)) > 0
}

// spreads reports whether a pod has a topology spread constraint that can keep it from a node.
func spreads(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, func(constraint corev1.TopologySpreadConstraint) bool {
		return constraint.WhenUnsatisfiable == corev1.DoNotSchedule
	})
}

// requestOf is what NodeResourcesFit counts for a pod: milli-CPU, bytes and numbers.
func (pl *Planner) requestOf(pod *corev1.Pod) resource.Amounts {
	request := state.RequestOf(pod)
	for _, name := range pl.claimedThroughDRA(pod) {
		delete(request, string(name))
	}
	return request
}

// claimedThroughDRA lists the extended resources of a pod that a DeviceClass backs: the scheduler makes claims for them,
// and no node need list them.
func (pl *Planner) claimedThroughDRA(pod *corev1.Pod) []corev1.ResourceName {
	manager := pl.handle.SharedDRAManager()
	if manager == nil {
		return nil
	}
	var names []corev1.ResourceName
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for name := range container.Resources.Requests {
			if state.IsExtended(name) && manager.DeviceClassResolver().GetDeviceClass(name) != nil {
				names = append(names, name)
			}
		}
	}
	return names
}
