package integration

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-base/metrics/legacyregistry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	gangs "github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/witness"
	gangstate "github.com/muster-scheduling/muster/plugins/state"
)

// longestPause is how long a gang may be partly bound without another of its pods being bound, on a machine that does
// much else.
const longestPause = 10 * time.Second

// metricsSeen is what the scheduler's metrics say of gangs.
type metricsSeen struct {
	byReason        map[gangs.Reason]int
	total           int
	partial, broken int
}

// gathered is what gangMetrics last read. Reading takes a while: the API server in this process has thousands.
var gathered struct {
	mu   sync.Mutex
	at   time.Time
	seen metricsSeen
}

// gangMetrics returns what the metrics of the scheduler, which runs in this process, said a moment ago.
func gangMetrics() metricsSeen {
	gathered.mu.Lock()
	defer gathered.mu.Unlock()
	if time.Since(gathered.at) > 10*pollPeriod {
		gathered.seen, gathered.at = readMetrics(), time.Now()
	}
	return gathered.seen
}

func readMetrics() metricsSeen {
	seen := metricsSeen{byReason: map[gangs.Reason]int{}}
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		seen.total = -1 // as good as a scheduler that says nothing
		return seen
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			value := int(metric.GetGauge().GetValue())
			switch family.GetName() {
			case "muster_waiting_gangs":
				seen.byReason[gangs.Reason(metric.GetLabel()[0].GetValue())] = value
				seen.total += value
			case "muster_partial_gangs":
				seen.partial = value
			case "muster_broken_gangs":
				seen.broken = value
			}
		}
	}
	return seen
}

// gangState is what the API server says of a gang.
type gangState struct {
	spec    gangs.Spec
	specErr error
	// absent is set where pods name a PodGroup that does not exist.
	absent bool
	held   gangs.Tally
	// pods is how many there are that may come to count as held.
	pods int
}

// waits reports whether the gang has pods and lacks something.
func (g gangState) waits() bool {
	if g.pods == 0 {
		return false
	}
	return g.absent || g.specErr != nil || !g.spec.Need(g.held).Met()
}

// partial reports whether the gang has some of its minimum, and not all.
func (g gangState) partial() bool {
	return !g.absent && g.specErr == nil && g.held.Total() > 0 && !g.spec.Need(g.held).Met()
}

// gangStates reads every gang of the test's namespace.
func (e *env) gangStates(ctx context.Context) (map[string]gangState, error) {
	list := &podgroupv1alpha1.PodGroupList{}
	if err := e.client.List(ctx, list, client.InNamespace(e.namespace)); err != nil {
		return nil, err
	}
	states := map[string]gangState{}
	for _, pg := range list.Items {
		spec, err := gangs.ParseSpec(pg.Spec.MinMember, pg.Annotations[schedulingv1alpha1.MinMembersAnnotation])
		states[e.namespace+"/"+pg.Name] = gangState{spec: spec, specErr: err, held: gangs.Tally{}}
	}
	for _, pod := range shared.watcher.in(e.namespace) {
		key := gangOf(pod)
		state, known := states[key]
		switch {
		case key == "" || pod.Status.Phase == corev1.PodFailed || pod.DeletionTimestamp != nil && pod.Status.Phase != corev1.PodSucceeded:
			continue
		case !known:
			if pod.Spec.NodeName == "" { // those that run, or have ended, go on without it
				states[key] = gangState{absent: true, pods: 1}
			}
			continue
		case !state.absent && pod.Spec.NodeName != "":
			state.held[gangstate.RoleOf(pod.Labels)]++
		}
		state.pods++
		states[key] = state
	}
	return states, nil
}

// checkInvariants checks I1, I6 and I7 of a test that has come to its end: no gang is or was partly bound, no node was
// overcommitted, and every gang that waits has one reason.
func (e *env) checkInvariants(ctx context.Context) {
	var states map[string]gangState
	err := poll(ctx, func(ctx context.Context) (ok bool, why string) {
		var err error
		if states, err = e.gangStates(ctx); err != nil {
			return false, err.Error()
		}
		return e.agree(states)
	})
	if err != nil {
		e.Errorf("I1 or I7 does not hold: %v", err)
	}
	var judged []witness.Gang
	for key, state := range states {
		if !e.broken[key] && !state.absent && state.specErr == nil {
			judged = append(judged, witness.Gang{Name: key, Min: state.spec.MinMember})
		}
	}
	for _, verdict := range shared.watcher.judge(judged) {
		if verdict.Stuck || verdict.Pause > longestPause {
			e.Errorf("I1 does not hold: gang %s was partly bound: %+v", verdict.Gang.Name, verdict)
		}
	}
	for _, fault := range shared.watcher.overcommitted() {
		e.Errorf("I6 does not hold: %s", fault)
	}
}

// agree reports whether no gang is partly bound and the scheduler's metrics name exactly the gangs that wait.
func (e *env) agree(states map[string]gangState) (bool, string) {
	waiting, broken := 0, 0
	for key, state := range states {
		if state.waits() {
			waiting++
		}
		if state.partial() {
			broken++
			if !e.broken[key] {
				return false, fmt.Sprintf("gang %s is partly bound: %v of %+v", key, state.held, state.spec)
			}
		}
	}
	seen := gangMetrics()
	return seen.total == waiting && seen.partial+seen.broken == broken,
		fmt.Sprintf("%d gangs wait, %d of them broken; the metrics say %+v", waiting, broken, seen)
}
