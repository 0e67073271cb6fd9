package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

const (
	// quiet is for how long nobody may have written anything before a cluster counts as settled.
	quiet = 3 * time.Second
	// lookAtAll is how often all objects are counted.
	lookAtAll = 250 * time.Millisecond
)

// createJobs creates training jobs all at once, first a tenth of them and then all, and lets them run: how long it takes
// until each has its objects, and what the manager writes for each. Then nothing happens any more, and nobody shall write.
func createJobs(ctx context.Context, s site, w workload) (map[string]float64, error) {
	few := max(1, w.gangs/10)
	_, fewWrites, err := s.runJobs(ctx, "few", 0, few, w)
	if err != nil {
		return nil, err
	}
	values, writes, err := s.runJobs(ctx, "many", few, w.gangs, w)
	if err != nil {
		return values, err
	}
	values["jobs_writes_few"] = fewWrites.perJob(few)
	values["jobs_writes"] = writes.perJob(w.gangs)
	values["jobs_writes_ratio"] = values["jobs_writes"] / values["jobs_writes_few"]
	values["jobs_status_writes"] = float64(writes.status) / float64(w.gangs)
	before, err := s.writes()
	if err != nil {
		return values, err
	}
	if err := sleep(ctx, w.idle); err != nil {
		return values, err
	}
	after, err := s.writes()
	if err != nil {
		return values, err
	}
	values["jobs_idle_writes"] = float64(after.sum() - before.sum())
	if idle := after.since(before); idle.sum() > 0 {
		return values, fmt.Errorf("in a settled cluster were written in %v: %v", w.idle, idle)
	}
	return values, nil
}

// runJobs creates jobs beside those that are there already, waits until all run and nobody writes any more, and returns what
// the manager has written.
func (s site) runJobs(ctx context.Context, prefix string, there, count int, w workload) (map[string]float64, writes, error) {
	before, err := s.writes()
	if err != nil {
		return nil, writes{}, err
	}
	began := time.Now()
	err = each(ctx, count, func(ctx context.Context, i int) error {
		job := trainingJob(fmt.Sprintf("%s-%d", prefix, i), w.size)
		if _, err := s.dynamic.Resource(trainingJobs).Namespace(loadNamespace).Create(ctx, job, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating the job %s: %w", job.GetName(), err)
		}
		return nil
	})
	if err != nil {
		return nil, writes{}, err
	}
	values := map[string]float64{"jobs_submit_s": time.Since(began).Seconds()}
	all := there + count
	if err := s.untilObjects(ctx, all, w.size); err != nil {
		return values, writes{}, err
	}
	values["jobs_objects_s"] = time.Since(began).Seconds()
	if err := s.untilRunning(ctx, all); err != nil {
		return values, writes{}, err
	}
	values["jobs_running_s"] = time.Since(began).Seconds()
	after, err := s.untilQuiet(ctx)
	if err != nil {
		return values, after, err
	}
	written := after.since(before)
	return values, written.of("muster-manager"), written.check(count, w.size)
}

// check fails unless at least what jobs cannot do without has been logged: else an empty log would be a good one.
func (w writes) check(jobs, size int) error {
	for what, n := range map[string]int{
		"muster-manager create pods": jobs * size, "muster-manager create services": jobs * size,
		"muster-manager create podgroups": jobs, "muster-scheduler create pods/binding": jobs * size,
	} {
		if w.counts[what] < n {
			return fmt.Errorf("the audit log has %d × %s, not %d: %v", w.counts[what], what, n, w)
		}
	}
	return nil
}

var trainingJobs = trainingv1.GroupVersion.WithResource("pytorchjobs")

// trainingJob is a PyTorchJob of that many pods, of the shape of all others here, which run until they are deleted.
func trainingJob(name string, size int) *unstructured.Unstructured {
	template := map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
		"name": "pytorch", "image": "registry.k8s.io/pause:3.10.1",
		"resources": map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "100Mi"}},
	}}}}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": trainingv1.GroupVersion.String(), "kind": "PyTorchJob",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{"pytorchReplicaSpecs": map[string]any{
			"Master": map[string]any{"template": template},
			"Worker": map[string]any{"replicas": int64(size - 1), "template": template},
		}},
	}}
}

// untilObjects waits until there are all pods, services and PodGroups of that many jobs.
func (s site) untilObjects(ctx context.Context, jobs, size int) error {
	want := map[schema.GroupVersionResource]int{
		{Version: "v1", Resource: "pods"}:     jobs * size,
		{Version: "v1", Resource: "services"}: jobs * size,
		podGroups:                             jobs,
	}
	for {
		missing := 0
		for resource, n := range want {
			found, err := s.count(ctx, resource)
			if err != nil {
				return err
			}
			missing += max(0, n-found)
		}
		if missing == 0 {
			return nil
		}
		if err := sleep(ctx, lookAtAll); err != nil {
			return fmt.Errorf("waiting for the objects of %d jobs, of which %d are missing: %w", jobs, missing, err)
		}
	}
}

// count returns how many objects of a resource there are.
func (s site) count(ctx context.Context, resource schema.GroupVersionResource) (int, error) {
	list, err := s.dynamic.Resource(resource).Namespace(loadNamespace).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return 0, fmt.Errorf("counting the %s: %w", resource.Resource, err)
	}
	n := len(list.Items)
	if rest := list.GetRemainingItemCount(); rest != nil {
		n += int(*rest)
	}
	return n, nil
}

// untilRunning waits until that many jobs say that all of their pods run.
func (s site) untilRunning(ctx context.Context, jobs int) error {
	for {
		list, err := s.dynamic.Resource(trainingJobs).Namespace(loadNamespace).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return fmt.Errorf("listing the jobs: %w", err)
		}
		running := 0
		for _, job := range list.Items {
			if isRunning(job) {
				running++
			}
		}
		if running == jobs {
			return nil
		}
		if err := sleep(ctx, 4*lookAtAll); err != nil {
			return fmt.Errorf("waiting for %d jobs to run, of which %d do: %w", jobs, running, err)
		}
	}
}

// isRunning says whether a job has as many active pods as it has replicas.
func isRunning(job unstructured.Unstructured) bool {
	for _, role := range []string{"Master", "Worker"} {
		want, found, err := unstructured.NestedInt64(job.Object, "spec", "pytorchReplicaSpecs", role, "replicas")
		if err != nil || !found {
			want = 1
		}
		active, _, err := unstructured.NestedInt64(job.Object, "status", "replicaStatuses", role, "active")
		if err != nil || active != want {
			return false
		}
	}
	return true
}

// untilQuiet waits until neither the manager nor the scheduler has written for a while, and returns what was written by
// then.
func (s site) untilQuiet(ctx context.Context) (writes, error) {
	for {
		before, err := s.writes()
		if err != nil {
			return before, err
		}
		if err := sleep(ctx, quiet); err != nil {
			return before, fmt.Errorf("waiting for nobody to write any more: %w", err)
		}
		after, err := s.writes()
		if err != nil || after.sum() == before.sum() {
			return after, err
		}
	}
}

// writes are all that have been written so far.
func (s site) writes() (writes, error) { return readWrites(filepath.Join(s.dir, auditLog)) }
