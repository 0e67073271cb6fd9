package placement

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// simulation places members one by one on the cycle's snapshot and asks the framework's own filters each time, for gangs
// whose members constrain each other. It is the planner's Space. The snapshot is as before once it is closed.
type simulation struct {
	ctx       context.Context
	framework framework.Framework
	snapshot  fwk.MutableSnapshotSharedLister
	use       SnapshotUse
	classes   []*class
	names     []string
	placed    []step
	// next is how many members of each class are placed.
	next []int
	// prepared holds what the PreFilter plugins found for each class. It is brought up to date with every placement, since
	// finding it again would look at every pod of the cluster.
	prepared []*framework.CycleState
}

// step is one placement that can be taken back.
type step struct {
	class int
	node  string
	pod   *corev1.Pod
	info  fwk.PodInfo
	// cycle is set where plugins hold a reservation for the pod.
	cycle *framework.CycleState
}

func newSimulation(ctx context.Context, f framework.Framework, classes []*class, nodes []fwk.NodeInfo, use SnapshotUse) (*simulation, error) {
	s := &simulation{
		ctx:       ctx,
		framework: f,
		snapshot:  f.MutableSnapshotSharedLister(),
		use:       use,
		classes:   classes,
		next:      make([]int, len(classes)),
		prepared:  make([]*framework.CycleState, len(classes)),
	}
	for _, node := range nodes {
		s.names = append(s.names, node.Node().Name)
	}
	if use == OnCycle {
		if err := s.snapshot.StartMutations(); err != nil {
			return nil, fmt.Errorf("starting to simulate on the snapshot: %w", err)
		}
	}
	return s, nil
}

// close ends the session of mutations if it is the simulation's own. The planner has taken back all placements.
func (s *simulation) close() error {
	if s.use == OnMutated {
		return nil
	}
	if err := s.snapshot.EndMutations(); err != nil {
		return fmt.Errorf("putting the snapshot back: %w", err)
	}
	return nil
}

// Place puts the next member of a class on a node if all filters agree.
func (s *simulation) Place(class int, node int32) (bool, error) {
	c, name := s.classes[class], s.names[node]
	pod := c.pods[s.next[class]]
	cycle, fits, err := s.prepare(class, pod)
	if err != nil || !fits {
		return false, err
	}
	info, err := s.snapshot.NodeInfos().Get(name)
	if err != nil {
		return false, fmt.Errorf("finding node %s in the snapshot: %w", name, err)
	}
	if status := s.framework.RunFilterPluginsWithNominatedPods(s.ctx, cycle, pod, info); !status.IsSuccess() {
		return false, unlessRejected(status, "filtering node %s for pod %s/%s", name, pod.Namespace, pod.Name)
	}
	assumed := pod.DeepCopy()
	assumed.Spec.NodeName = name
	done := step{class: class, node: name, pod: assumed}
	if c.singular {
		if status := s.framework.RunReservePluginsReserve(s.ctx, cycle, assumed, name); !status.IsSuccess() {
			s.framework.RunReservePluginsUnreserve(s.ctx, cycle, assumed, name)
			return false, unlessRejected(status, "reserving node %s for pod %s/%s", name, pod.Namespace, pod.Name)
		}
		done.cycle = cycle
	}
	placed, err := framework.NewPodInfo(assumed)
	if err != nil {
		return false, fmt.Errorf("reading the affinity of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	if err := s.snapshot.AddPod(placed, name); err != nil {
		return false, fmt.Errorf("adding pod %s/%s to the snapshot: %w", pod.Namespace, pod.Name, err)
	}
	done.info = placed
	s.placed = append(s.placed, done)
	s.next[class]++
	return true, s.follow(done, s.framework.RunPreFilterExtensionAddPod)
}

// Undo takes back the last placement.
func (s *simulation) Undo() error {
	last := s.placed[len(s.placed)-1]
	s.placed = s.placed[:len(s.placed)-1]
	s.next[last.class]--
	if last.cycle != nil {
		s.framework.RunReservePluginsUnreserve(s.ctx, last.cycle, last.pod, last.node)
	}
	if err := s.snapshot.RemovePod(klog.FromContext(s.ctx), last.pod, last.node); err != nil {
		return fmt.Errorf("removing pod %s/%s from the snapshot: %w", last.pod.Namespace, last.pod.Name, err)
	}
	return s.follow(last, s.framework.RunPreFilterExtensionRemovePod)
}

// prepare runs the PreFilter plugins for a pod, unless what they found for its class still holds.
func (s *simulation) prepare(class int, pod *corev1.Pod) (*framework.CycleState, bool, error) {
	if cycle := s.prepared[class]; cycle != nil {
		return cycle, true, nil
	}
	cycle := simulatedCycle()
	_, status, _ := s.framework.RunPreFilterPlugins(s.ctx, cycle, pod)
	if !status.IsSuccess() {
		return nil, false, unlessRejected(status, "preparing the filters for pod %s/%s", pod.Namespace, pod.Name)
	}
	if !s.classes[class].singular {
		s.prepared[class] = cycle
	}
	return cycle, true, nil
}

// follow tells the prepared filters of every class about a placement or its undoing.
func (s *simulation) follow(changed step, tell func(context.Context, fwk.CycleState, *corev1.Pod, fwk.PodInfo, fwk.NodeInfo) *fwk.Status) error {
	info, err := s.snapshot.NodeInfos().Get(changed.node)
	if err != nil {
		return fmt.Errorf("finding node %s in the snapshot: %w", changed.node, err)
	}
	for c, cycle := range s.prepared {
		if cycle == nil {
			continue
		}
		// A plugin that had nothing to look at when it prepared is not told. Only a pod that keeps others away can give
		// InterPodAffinity something to look at.
		if cycle.GetSkipFilterPlugins().Has(names.InterPodAffinity) && len(changed.info.GetRequiredAntiAffinityTerms()) > 0 {
			s.prepared[c] = nil
			continue
		}
		// PodTopologySpread follows the two domains only that had the fewest pods when it prepared: after several placements it
		// no longer knows which domain has the fewest.
		if s.classes[c].spread {
			s.prepared[c] = nil
			continue
		}
		pod := s.classes[c].pods[0]
		if status := tell(s.ctx, cycle, pod, changed.info, info); !status.IsSuccess() {
			return fmt.Errorf("telling the filters of pod %s/%s about pod %s: %w", pod.Namespace, pod.Name, changed.pod.Name, status.AsError())
		}
	}
	return nil
}

// unlessRejected is the error of a status that is not a plain no.
func unlessRejected(status *fwk.Status, format string, args ...any) error {
	if status.IsRejected() {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, status.AsError())...)
}
