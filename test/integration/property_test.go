package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	gangs "github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

// seedVariable, in the environment, repeats the run of TestRandomLife that had this seed.
const seedVariable = "MUSTER_TEST_SEED"

const (
	randomSteps = 80
	randomNodes = 4
	nodeCPUs    = 8
)

// life is a random history of a cluster.
type life struct {
	*env
	random *rand.Rand
	gangs  []*randomGang
	nodes  []string
	made   int
	// deleted holds the pods that the test deleted itself.
	deleted map[string]bool
}

// randomGang is a gang of equal members, so that whether it fits is a matter of counting.
type randomGang struct {
	name    string
	cpus    int
	members int
}

// Gangs come and go, members are deleted and replaced, nodes are lost and added, the scheduler is killed and started
// again, all at random. Once that ends, no gang is partly bound, every gang that fits is bound, and no pod is lost; no
// node was overcommitted at any time.
func TestRandomLife(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("repeat with %s=%d", seedVariable, seed)
	l := &life{env: setUp(t), random: rand.New(rand.NewPCG(seed, 0)), deleted: map[string]bool{}}
	shared.cluster.KillScheduler()
	l.startScheduler("1s")
	for range randomNodes {
		l.addNode()
	}
	for step := range randomSteps {
		l.step()
		if step%10 == 9 { // let some of it settle, so that there is something to disturb
			l.eventually("something is bound or nothing can be", func(context.Context) (bool, string) {
				return l.quiet(200 * time.Millisecond)
			})
		}
	}
	l.eventually("the cluster has come to rest as it should", func(ctx context.Context) (bool, string) {
		if quiet, why := l.quiet(3 * time.Second); !quiet {
			return false, why
		}
		return l.atRest(ctx)
	})
	l.checkNothingLost()
}

// quiet reports whether no pod has changed for so long.
func (l *life) quiet(period time.Duration) (bool, string) {
	since := shared.watcher.quietFor()
	return since >= period, fmt.Sprintf("a pod changed %s ago", since)
}

func (l *life) step() {
	switch n := l.random.IntN(20); {
	case n < 8:
		l.addGang()
	case n < 10:
		l.deleteGang()
	case n < 14:
		l.replaceMember()
	case n < 15:
		l.completeMinimum()
	case n < 17 && len(l.nodes) < 2*randomNodes:
		l.addNode()
	case n < 19 && len(l.nodes) > 1:
		l.loseNode()
	default:
		shared.cluster.KillScheduler()
		l.do(shared.cluster.StartScheduler(l.Context()))
	}
}

func (l *life) addNode() {
	l.made++
	name := fmt.Sprintf("random-%d", l.made)
	l.createNodes(node(name, cpu(nodeCPUs)))
	l.nodes = append(l.nodes, name)
}

// loseNode deletes a node and the pods on it, which others replace.
func (l *life) loseNode() {
	at := l.random.IntN(len(l.nodes))
	lost := l.nodes[at]
	l.nodes = slices.Delete(l.nodes, at, at+1)
	l.do(l.client.Delete(l.Context(), node(lost, cpu(0))))
	for _, p := range shared.watcher.in(l.namespace) {
		if p.Spec.NodeName == lost {
			l.deleted[string(p.UID)] = true
			l.force(p) // nobody is there to end it
			l.replace(p)
		}
	}
}

func (l *life) addGang() {
	l.made++
	g := &randomGang{name: fmt.Sprintf("gang-%d", l.made), cpus: 1 + l.random.IntN(4), members: 1 + l.random.IntN(7)}
	l.gangs = append(l.gangs, g)
	group := podGroup(g.name, int32(1+l.random.IntN(g.members)))
	pods := members(g.name, g.members, cpu(g.cpus))
	if l.random.IntN(4) == 0 {
		pods[0].Labels[schedulingv1alpha1.RoleLabel] = "chief"
		group.Annotations[schedulingv1alpha1.MinMembersAnnotation] = `{"chief":1}`
	}
	l.random.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	if l.random.IntN(5) == 0 { // the PodGroup comes late
		l.createPods(pods...)
		l.create(group)
		return
	}
	l.create(group)
	l.createPods(pods...)
}

func (l *life) deleteGang() {
	if len(l.gangs) == 0 {
		return
	}
	at := l.random.IntN(len(l.gangs))
	g := l.gangs[at]
	l.gangs = slices.Delete(l.gangs, at, at+1)
	l.delete(l.getPodGroup(g.name))
	for _, p := range shared.watcher.in(l.namespace) {
		if p.Labels[schedulingv1alpha1.PodGroupLabel] == g.name {
			l.remove(p)
		}
	}
}

// replaceMember deletes a pod, whether it waits, is being bound or runs, and creates another in its place.
func (l *life) replaceMember() {
	pods := shared.watcher.in(l.namespace)
	if len(pods) == 0 {
		return
	}
	p := pods[l.random.IntN(len(pods))]
	l.remove(p)
	if l.random.IntN(3) > 0 {
		l.replace(p)
	}
}

// completeMinimum adds members to a gang that may have lost some.
func (l *life) completeMinimum() {
	if len(l.gangs) == 0 {
		return
	}
	g := l.gangs[l.random.IntN(len(l.gangs))]
	l.made++
	l.createPods(pod(fmt.Sprintf("%s-more-%d", g.name, l.made), g.name, cpu(g.cpus)))
}

func (l *life) remove(p *corev1.Pod) {
	l.deleted[string(p.UID)] = true
	if l.random.IntN(2) == 0 {
		l.force(p)
		return
	}
	l.delete(p)
}

// replace creates a pod like another one, under a name of its own.
func (l *life) replace(p *corev1.Pod) {
	gang := p.Labels[schedulingv1alpha1.PodGroupLabel]
	if !slices.ContainsFunc(l.gangs, func(g *randomGang) bool { return g.name == gang }) {
		return // its gang is gone
	}
	l.made++
	again := pod(fmt.Sprintf("%s-again-%d", gang, l.made), gang, p.Spec.Containers[0].Resources.Requests)
	if role := p.Labels[schedulingv1alpha1.RoleLabel]; role != "" {
		again.Labels[schedulingv1alpha1.RoleLabel] = role
	}
	if l.random.IntN(10) == 0 {
		again.Annotations[localcluster.StartDelayAnnotation] = "100ms"
	}
	l.createPods(again)
}

// atRest reports whether nothing is left to do: gangs are whole or hold nothing, and what waits does not fit.
func (l *life) atRest(ctx context.Context) (bool, string) {
	states, err := l.gangStates(ctx)
	if err != nil {
		return false, err.Error()
	}
	free := l.free()
	for key, state := range states {
		if state.partial() {
			return false, fmt.Sprintf("gang %s is partly bound: %v of %+v", key, state.held, state.spec)
		}
		if state.absent || state.specErr != nil {
			continue
		}
		pending, cpus := l.pending(key)
		slots := 0
		for _, n := range free {
			slots += int(n) / max(cpus, 1)
		}
		need := state.spec.Need(state.held)
		switch {
		case need.Met() && pending.Total() > 0 && slots > 0:
			return false, fmt.Sprintf("a member of gang %s waits though there is room: free are %v", key, free)
		case !need.Met() && state.spec.Shortage(state.held, pending) == "" && slots >= need.Total:
			return false, fmt.Sprintf("gang %s waits though there is room for the %d that it needs: free are %v", key, need.Total, free)
		}
	}
	return true, ""
}

// free is the number of CPUs that are free on each node.
func (l *life) free() map[string]int64 {
	free := map[string]int64{}
	for _, name := range l.nodes {
		free[name] = nodeCPUs
	}
	for _, p := range shared.watcher.in(l.namespace) {
		if _, there := free[p.Spec.NodeName]; there {
			free[p.Spec.NodeName] -= p.Spec.Containers[0].Resources.Requests.Cpu().Value()
		}
	}
	return free
}

// pending counts the members of a gang that wait, by role, and says how many CPUs each asks for.
func (l *life) pending(gang string) (gangs.Tally, int) {
	pending, cpus := gangs.Tally{}, 0
	for _, p := range shared.watcher.in(l.namespace) {
		if gangOf(p) == gang && p.Spec.NodeName == "" && p.DeletionTimestamp == nil {
			pending[p.Labels[schedulingv1alpha1.RoleLabel]]++
			cpus = int(p.Spec.Containers[0].Resources.Requests.Cpu().Value())
		}
	}
	return pending, cpus
}

// checkNothingLost checks that every pod that was created is there, unless the test deleted it or its gang was evicted
// for running below its minimum.
func (l *life) checkNothingLost() {
	for _, p := range shared.watcher.goneFrom(l.namespace) {
		gang := p.Labels[schedulingv1alpha1.PodGroupLabel]
		evicted := slices.ContainsFunc(l.events("PodGroup", gang), func(e corev1.Event) bool { return e.Reason == "BrokenGangEvicted" })
		orphan := p.Spec.NodeName != "" && !slices.Contains(l.nodes, p.Spec.NodeName) // bound when its node was lost
		if !l.deleted[string(p.UID)] && !evicted && !orphan {
			l.Errorf("pod %s was deleted by somebody", p.Name)
		}
	}
}
