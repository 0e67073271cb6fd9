package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
	"sigs.k8s.io/yaml"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

// rounds is how often everything is judged anew, after the expected state, before it counts as stable.
const rounds = 5

type queueEdit = func(*schedulingv1alpha1.QueueSpec)

// queueName is the name in the cluster of a queue that the test calls so: no two tests share one.
func (e *env) queueName(short string) string { return e.namespace + "-" + short }

// queue creates a queue that goes with the test.
func (e *env) queue(short string, edits ...queueEdit) *schedulingv1alpha1.Queue {
	e.Helper()
	q := &schedulingv1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: e.queueName(short)}}
	for _, edit := range edits {
		edit(&q.Spec)
	}
	e.do(e.client.Create(e.Context(), q))
	if !slices.Contains(e.queues, q.Name) {
		e.queues = append(e.queues, q.Name)
	}
	return q
}

// below puts a queue below another one of the test.
func (e *env) below(short string) queueEdit {
	return func(spec *schedulingv1alpha1.QueueSpec) { spec.Parent = e.queueName(short) }
}

func guarantee(amount corev1.ResourceList) queueEdit {
	return func(spec *schedulingv1alpha1.QueueSpec) { spec.Guarantee = amount }
}

func limit(amount corev1.ResourceList) queueEdit {
	return func(spec *schedulingv1alpha1.QueueSpec) { spec.Limit = amount }
}

func weight(n int32) queueEdit {
	return func(spec *schedulingv1alpha1.QueueSpec) { spec.Weight = &n }
}

func minRuntime(d time.Duration) queueEdit {
	return func(spec *schedulingv1alpha1.QueueSpec) { spec.MinRuntime = &metav1.Duration{Duration: d} }
}

func stop(policy schedulingv1alpha1.StopPolicy) queueEdit {
	return func(spec *schedulingv1alpha1.QueueSpec) { spec.Stop = policy }
}

func notReclaimable(spec *schedulingv1alpha1.QueueSpec) {
	no := false
	spec.Reclaimable = &no
}

// getQueue reads a queue as it is now.
func (e *env) getQueue(short string) *schedulingv1alpha1.Queue {
	e.Helper()
	q := &schedulingv1alpha1.Queue{}
	e.do(e.client.Get(e.Context(), client.ObjectKey{Name: e.queueName(short)}, q))
	return q
}

// editQueue changes a queue.
func (e *env) editQueue(short string, edits ...queueEdit) *schedulingv1alpha1.Queue {
	e.Helper()
	q := e.getQueue(short)
	before := q.DeepCopy()
	for _, edit := range edits {
		edit(&q.Spec)
	}
	e.do(e.client.Patch(e.Context(), q, client.MergeFrom(before)))
	return q
}

// updateQueue changes a queue, and returns once its status says that the scheduler knows, some seconds later.
func (e *env) updateQueue(short string, edits ...queueEdit) {
	e.Helper()
	q := e.editQueue(short, edits...)
	e.eventually("the scheduler has seen the change of queue "+q.Name, func(context.Context) (bool, string) {
		ready := meta.FindStatusCondition(e.getQueue(short).Status.Conditions, schedulingv1alpha1.QueueReady)
		return ready != nil && ready.ObservedGeneration >= q.Generation, fmt.Sprintf("%+v", ready)
	})
}

// expectQueue waits until the condition holds of a queue.
func (e *env) expectQueue(short, what string, condition func(*schedulingv1alpha1.Queue) bool) {
	e.Helper()
	e.eventually("queue "+e.queueName(short)+" "+what, func(context.Context) (bool, string) {
		q := e.getQueue(short)
		return condition(q), fmt.Sprintf("%+v", q.Status)
	})
}

// expectNotReady waits until a queue says why it admits nothing.
func (e *env) expectNotReady(short, reason string) {
	e.Helper()
	e.expectQueue(short, "is not ready: "+reason, func(q *schedulingv1alpha1.Queue) bool {
		ready := meta.FindStatusCondition(q.Status.Conditions, schedulingv1alpha1.QueueReady)
		return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == reason
	})
}

// deleteQueues deletes queues whatever their status says of gangs in them. Those with queues in them go after these.
func (e *env) deleteQueues(ctx context.Context, names ...string) error {
	empty := client.RawPatch(types.MergePatchType, []byte(`{"status":{"admittedGangs":0,"pendingGangs":0}}`))
	return poll(ctx, func(ctx context.Context) (bool, string) {
		var errs []error
		for _, name := range names {
			q := &schedulingv1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: name}}
			err := e.client.Status().Patch(ctx, q, empty)
			if err == nil {
				err = e.client.Delete(ctx, q)
			}
			errs = append(errs, client.IgnoreNotFound(err))
		}
		err := errors.Join(errs...)
		return err == nil, fmt.Sprint(err)
	})
}

// inQueue puts a PodGroup into a queue of the test.
func (e *env) inQueue(short string) func(*podgroupv1alpha1.PodGroup) {
	return func(pg *podgroupv1alpha1.PodGroup) {
		pg.Labels = map[string]string{schedulingv1alpha1.QueueLabel: e.queueName(short)}
	}
}

// ofQueue puts a pod into a queue of the test.
func (e *env) ofQueue(short string) func(*corev1.Pod) {
	return podLabel(schedulingv1alpha1.QueueLabel, e.queueName(short))
}

// gangIn creates a gang of n equal pods in a queue, of which minMember have to start together.
func (e *env) gangIn(queue, name string, minMember, n int, request corev1.ResourceList, edits ...func(*corev1.Pod)) []*corev1.Pod {
	e.Helper()
	e.create(podGroup(name, int32(minMember), e.inQueue(queue)))
	pods := members(name, n, request, edits...)
	e.createPods(pods...)
	return pods
}

// jobsIn creates n gangs of one pod each in a queue, named after a stem.
func (e *env) jobsIn(queue, stem string, n int, request corev1.ResourceList, edits ...func(*corev1.Pod)) {
	e.Helper()
	for i := range n {
		e.gangIn(queue, stem+"-"+strconv.Itoa(i), 1, 1, request, edits...)
	}
}

// boundJobs counts the gangs of a stem, as jobsIn makes them, that run.
func (e *env) boundJobs(stem string, n int) (bound int) {
	for i := range n {
		bound += len(e.boundPods(stem + "-" + strconv.Itoa(i)))
	}
	return bound
}

// expectJobs waits until so many of the gangs of a stem run.
func (e *env) expectJobs(stem string, n, want int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d of %d gangs %s run", want, n, stem), func(context.Context) (bool, string) {
		bound := e.boundJobs(stem, n)
		return bound == want, fmt.Sprintf("%d do", bound)
	})
}

// expects makes pods say how long they run, and runs how long they do.
func expects(d time.Duration) func(*corev1.Pod) {
	return annotation(schedulingv1alpha1.ExpectedRuntimeAnnotation, d.String())
}

func runs(d time.Duration) func(*corev1.Pod) {
	return annotation(localcluster.RunForAnnotation, d.String())
}

// firm keeps pods from being evicted.
func firm(p *corev1.Pod) { p.Annotations[schedulingv1alpha1.PreemptibleAnnotation] = "false" }

// lingers makes a pod go on using its node when it has been told to leave, until the test forces it to.
func lingers(p *corev1.Pod) { p.Annotations[localcluster.StopDelayAnnotation] = time.Hour.String() }

// evicted lists the pods that were told to leave by the Eviction API, by name. These say so in a condition.
func (e *env) evicted() []string {
	var names []string
	for _, p := range append(shared.watcher.goneFrom(e.namespace), shared.watcher.in(e.namespace)...) {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
				names = append(names, p.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// expectEvicted checks who has been evicted up to now.
func (e *env) expectEvicted(names ...string) {
	e.Helper()
	if got := e.evicted(); !slices.Equal(got, names) {
		e.Errorf("evicted were %v, want %v", got, names)
	}
}

// podStanding is what a pod must keep while nothing changes.
type podStanding struct {
	name, node string
	leaving    bool
}

func (e *env) podStandings() map[types.UID]podStanding {
	standings := map[types.UID]podStanding{}
	for _, p := range shared.watcher.in(e.namespace) {
		standings[p.UID] = podStanding{name: p.Name, node: p.Spec.NodeName, leaving: p.DeletionTimestamp != nil}
	}
	return standings
}

// expectAtRest waits until so many pods of each gang are bound and then checks that five more rounds change nothing
// for any pod of the test.
func (e *env) expectAtRest(want map[string]int) {
	e.Helper()
	for _, gang := range slices.Sorted(maps.Keys(want)) {
		e.expectBound(gang, want[gang])
	}
	e.round() // what is on its way arrives
	before := e.podStandings()
	for range rounds {
		e.round()
	}
	if after := e.podStandings(); !maps.Equal(before, after) {
		e.Errorf("something changed after the expected state:\nbefore %v\nafter  %v", before, after)
	}
	for gang, n := range want {
		if got := len(e.boundPods(gang)); got != n {
			e.Errorf("%d pods of gang %q are bound, want %d to stay", got, gang, n)
		}
	}
}

// round lets every gang that waits be tried anew: a node changes, and a pod that gets its turn after all others, since
// the weight of its queue is 0, is bound.
func (e *env) round() {
	e.Helper()
	if !slices.Contains(e.queues, e.queueName("last")) {
		e.queue("last", weight(0))
	}
	e.rounds++
	nodes := &corev1.NodeList{}
	e.do(e.client.List(e.Context(), nodes))
	for i := range nodes.Items {
		n := &nodes.Items[i]
		patch := fmt.Sprintf(`{"metadata":{"labels":{"test.muster.dev/round":"%d"}}}`, e.rounds)
		e.do(e.client.Patch(e.Context(), n, client.RawPatch(types.MergePatchType, []byte(patch))))
	}
	probe := pod(fmt.Sprintf("round-%d", e.rounds), "", nil, e.ofQueue("last"))
	e.createPods(probe)
	e.expectPodBound(probe.Name)
	e.force(probe)
	e.expectGone(probe)
}

// configure restarts the scheduler with other arguments of a plugin, until the test ends.
func (e *env) configure(plugin string, args map[string]any) {
	e.Helper()
	data, err := os.ReadFile(shared.schedulerConfig)
	e.do(err)
	config := map[string]any{}
	e.do(yaml.Unmarshal(data, &config))
	for _, entry := range config["profiles"].([]any)[0].(map[string]any)["pluginConfig"].([]any) {
		if entry := entry.(map[string]any); entry["name"] == plugin {
			maps.Copy(entry["args"].(map[string]any), args)
		}
	}
	data, err = yaml.Marshal(config)
	e.do(err)
	e.configured = true
	shared.cluster.KillScheduler()
	e.do(os.WriteFile(shared.schedulerConfig, data, 0o600))
	e.do(shared.cluster.StartScheduler(e.Context()))
}

// queueCase is a scenario of queues that comes to rest by itself.
type queueCase struct {
	nodes []*corev1.Node
	// given creates queues and what runs before, then creates who comes then.
	given, then func(*env)
	// want is how many pods of each gang run in the end; evicted names who has been evicted by then.
	want    map[string]int
	evicted []string
}

func (c queueCase) run(t *testing.T) {
	e := setUp(t, c.nodes...)
	c.given(e)
	c.then(e)
	e.expectAtRest(c.want)
	e.expectEvicted(c.evicted...)
}
