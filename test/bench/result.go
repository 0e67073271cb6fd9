package main

import (
	"time"

	"github.com/muster-scheduling/muster/internal/witness"
)

// pauseLimit is for how long a gang may be partly bound without another of its pods being bound: longer than a machine
// with too few cores ever stalls, shorter than a wait for room.
const pauseLimit = 5 * time.Second

// trace is what was seen while one workload was submitted to one system.
type trace struct {
	// begin is just before the first create, end when the watching stopped.
	begin, end time.Time
	// created holds for each gang when the create of its last pod returned.
	created []time.Time
	// events are the bindings in the order in which the watch told of them.
	events []witness.Event
	// nodes holds the node of each pod that was bound.
	nodes map[string]string
}

// result is one measurement: one workload on one system in one round.
type result struct {
	round            int
	workload, system string
	// complete says that every gang that fits was whole before the deadline; broken that something failed, or that gangs are
	// where they must not be. note says what was missing, or what broke.
	complete, broken bool
	note             string
	// values holds what was measured by metric name. What could not be measured is absent.
	values map[string]float64
}

// metric names a column of the CSV, and a line of the tables.
type metric struct {
	name, title string
	decimals    int
	// short is what it is called in the line that a play is shown in while it is measured; empty where it is left out.
	short string
}

// rate is the metric by which systems are compared: each is also shown as a share of the others.
const rate = "pods_per_s"

// metrics are all figures of a measurement, in the order of the CSV's columns. Times are in seconds.
var metrics = []metric{
	{rate, "pods bound per second", 0, ""},
	{"submit_s", "first create → last create, s", 1, ""},
	{"first_create_to_last_bind_s", "first create → last bind, s", 2, ""},
	{"last_create_to_last_bind_s", "last create → last bind, s", 2, ""},
	{"gang_s", "a gang's last create → all bound, s", 2, ""},
	{"whole_gangs", "gangs whole", 0, ""},
	{"partial_gangs", "gangs partly bound", 0, ""},
	{"bound_pods", "pods bound", 0, ""},
	{"split_gangs", "gangs in more than one domain of the level they ask for", 0, ""},
	{"longest_burst_s", "longest time a gang took to bind, s", 2, ""},
	{"longest_pause_s", "longest pause in that, s", 2, ""},
	{"waiting_gangs", "gangs that wait", 0, ""},
	{"start_s", "create → bound of a job that comes alone, s", 3, ""},
	{"start_worst_s", "… of the slowest", 3, "slowest start s"},
	{"job_cpu_ms", "scheduler CPU for each job of many, ms", 2, "CPU ms per job"},
	{"job_cpu_alone_ms", "… while nothing waits", 2, "while nothing waits"},
	{"job_cpu_added_ms", "… what those that wait add", 2, ""},
	{"idle_cpu_ms", "scheduler CPU for each second in which nothing comes, ms", 0, "idle ms per s"},
	{"running_jobs", "jobs that run", 0, ""},
	{"proof_cluster_s", "decision: more than the cluster has, s", 3, "too large s"},
	{"proof_guarantee_s", "decision: one job too few may be taken by the guarantees, s", 3, "guaranteed s"},
	{"proof_budget_s", "decision: one node too few can be emptied, s", 3, "protected s"},
	{"reclaim_s", "decision: whom to evict, s", 3, "evict s"},
	{"evicted_pods", "jobs evicted", 0, "evicted"},
	{"first_evicted_s", "the gang's last create → first eviction, s", 2, ""},
	{"claim_s", "the gang's last create → all bound, s", 2, ""},
	{"jobs_submit_s", "first create → last create, s", 1, ""},
	{"jobs_objects_s", "first create → every job has its pods, services and PodGroup, s", 1, "objects s"},
	{"jobs_running_s", "first create → every job runs, s", 1, "running s"},
	{"jobs_writes", "API writes of the manager for each job", 2, "writes per job"},
	{"jobs_status_writes", "… of these of a status", 2, ""},
	{"jobs_writes_few", "… with a tenth of the jobs", 2, "of a tenth as many"},
	{"jobs_writes_ratio", "… times that", 3, ""},
	{"jobs_idle_writes", "API writes of manager and scheduler in a minute in which nothing happens", 0, "idle writes"},
	{"plan_idle_ms", "one core: a plan on the idle cluster, slowest of 10, ms", 1, "idle ms"},
	{"plan_idle_racks", "… racks that it uses", 0, ""},
	{"plan_fragmented_ms", "… on one where 0 to 8 GPUs of each node are taken, ms", 1, "fragmented ms"},
	{"plan_fragmented_racks", "… racks that it uses", 0, ""},
	{"plan_narrow_ms", "… on one where a single block has room, ms", 1, "one block ms"},
	{"plan_narrow_racks", "… racks that it uses", 0, ""},
	{"plan_refused_ms", "… on one where each block lacks one GPU: proof that there is none, ms", 1, "refused ms"},
	{"plan_tree_ms", "… of that for building the tree of domains, ms", 1, ""},
	{"plan_slowest_ms", "… the slowest of all, ms", 1, ""},
	{"webhook_p50_all_ms", "the webhook's answer about a pod with 1,000 policies, median, ms", 2, "median ms"},
	{"webhook_p99_all_ms", "… 99th percentile, ms", 2, "99th percentile ms"},
	{"webhook_p50_none_ms", "… without a policy, median, ms", 2, "with none median ms"},
	{"webhook_p99_none_ms", "… 99th percentile, ms", 2, "99th percentile ms"},
	{"webhook_ratio", "… 99th percentile with 1,000 times that with none", 2, ""},
	{"pack_random_100", "GPUs allocated by Random once 100 % are asked for, %", 2, "Random"},
	{"pack_bestfit_100", "… by Best-fit", 2, "Best-fit"},
	{"pack_fgd_100", "… by FGD", 2, "FGD"},
	{"pack_muster_100", "… by Muster", 2, "Muster"},
	{"pack_offline_100", "… by who knows all that comes and minds GPUs only", 2, ""},
	{"pack_random_130", "GPUs allocated by Random once 130 % are asked for, %", 2, "at 130 % Random"},
	{"pack_bestfit_130", "… by Best-fit", 2, "Best-fit"},
	{"pack_fgd_130", "… by FGD", 2, "FGD"},
	{"pack_muster_130", "… by Muster", 2, "Muster"},
	{"pack_offline_130", "… by who knows all that comes and minds GPUs only", 2, ""},
	{"pack_random_refused", "pods of several GPUs refused by Random before 95 % are asked for, %", 1, ""},
	{"pack_bestfit_refused", "… by Best-fit", 1, ""},
	{"pack_fgd_refused", "… by FGD", 1, ""},
	{"pack_muster_refused", "… by Muster", 1, ""},
	{"scheduler_cpu_s", "scheduler CPU, s", 1, ""},
	{"scheduler_peak_mib", "scheduler peak memory, MiB", 0, ""},
	{"apiserver_cpu_s", "etcd and API server CPU, s", 1, ""},
	{"apiserver_peak_mib", "etcd and API server peak memory, MiB", 0, ""},
	{"load_cpu_s", "load generator CPU, s", 1, ""},
}

// figures computes what a trace says of a workload. The rate and the times to the last bind exist only if every gang
// that fits was whole.
func figures(w workload, t trace) (values map[string]float64, complete bool) {
	gangs := make([]witness.Gang, w.gangs)
	for i := range gangs {
		gangs[i] = witness.Gang{Name: gangName(i), Min: w.size}
	}
	verdicts := witness.Judge(gangs, t.events, t.end)
	var bound, whole int
	var lastCreate, lastBind time.Time
	var waits []float64
	var pause time.Duration
	for i, v := range verdicts {
		bound += v.Placed
		pause = max(pause, v.Pause)
		lastCreate = later(lastCreate, t.created[i])
		if !v.Whole.IsZero() {
			whole++
			lastBind = later(lastBind, v.Whole)
			waits = append(waits, v.Whole.Sub(t.created[i]).Seconds())
		}
	}
	values = map[string]float64{
		"submit_s":        lastCreate.Sub(t.begin).Seconds(),
		"bound_pods":      float64(bound),
		"whole_gangs":     float64(whole),
		"partial_gangs":   float64(witness.Partial(verdicts, pauseLimit)),
		"longest_burst_s": witness.LongestBurst(verdicts...).Seconds(),
		"longest_pause_s": pause.Seconds(),
	}
	complete = whole >= w.fit
	if complete {
		total := lastBind.Sub(t.begin).Seconds()
		gang, _ := spreadOf(waits)
		values[rate] = float64(whole*w.size) / total
		values["gang_s"] = gang.median
		values["first_create_to_last_bind_s"] = total
		values["last_create_to_last_bind_s"] = lastBind.Sub(lastCreate).Seconds()
	}
	return values, complete
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
