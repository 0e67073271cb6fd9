package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// crowdShapes is of how many shapes the gangs are that wait.
	crowdShapes = 20
	// leftGPUs is how many GPUs every node has left, crowdGPUs how many each waiting gang wants on one.
	leftGPUs, crowdGPUs = 3, 4
)

// joinCrowd measures what it costs to start jobs that fit while many gangs wait that do not: jobs that come one by one, and
// many at once. The latter are submitted before anybody waits as well.
func joinCrowd(ctx context.Context, s site, w workload) (map[string]float64, error) {
	eyes, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer eyes.close()
	fillers := jobs("filler", "", w.nodes, int64(w.gpusPerNode-leftGPUs))
	if _, err := s.create(ctx, fillers); err != nil {
		return nil, err
	}
	if _, err := eyes.untilBound(ctx, fillers); err != nil {
		return nil, err
	}
	early := jobs("early", "", many(w), 1)
	alone, err := s.costOf(ctx, eyes, early)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{"job_cpu_alone_ms": alone}
	if err := s.remove(ctx, early); err != nil {
		return values, err
	}
	if err := eyes.untilGone(ctx, early); err != nil {
		return values, err
	}
	if err := s.gather(ctx, w); err != nil {
		return values, err
	}
	values["waiting_gangs"] = float64(w.gangs)
	idle, err := s.idleCost(ctx)
	if err != nil {
		return values, err
	}
	values["idle_cpu_ms"] = idle
	var starts []float64
	for _, one := range jobs("single", "", max(1, many(w)/20), 1) {
		created, err := s.create(ctx, []*corev1.Pod{one})
		if err != nil {
			return values, err
		}
		bound, err := eyes.untilBound(ctx, []*corev1.Pod{one})
		if err != nil {
			return values, err
		}
		starts = append(starts, max(0, bound.Sub(created).Seconds()))
	}
	start, _ := spreadOf(starts)
	values["start_s"], values["start_worst_s"] = start.median, start.high
	crowded, err := s.costOf(ctx, eyes, jobs("late", "", many(w), 1))
	if err != nil {
		return values, err
	}
	values["job_cpu_ms"], values["job_cpu_added_ms"] = crowded, crowded-alone
	return values, nil
}

// many is how many jobs come at once: two thirds of the room that is left.
func many(w workload) int { return w.nodes * leftGPUs * 2 / 3 }

// costOf has jobs bound that come all at once, and returns the milliseconds of CPU that the scheduler used for each: for all
// that it did meanwhile, from the watch that tells of the job to its binding.
func (s site) costOf(ctx context.Context, eyes *eyes, pods []*corev1.Pod) (float64, error) {
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	if _, err := s.create(ctx, pods); err != nil {
		return 0, err
	}
	if _, err := eyes.untilBound(ctx, pods); err != nil {
		return 0, err
	}
	after, err := s.cpu()
	return (after - before) * 1000 / float64(len(pods)), err
}

// idleCost is the milliseconds of CPU that the scheduler uses in a second in which nothing comes.
func (s site) idleCost(ctx context.Context) (float64, error) {
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, settle); err != nil {
		return 0, err
	}
	after, err := s.cpu()
	return (after - before) * 1000 / settle.Seconds(), err
}

// gather submits the gangs that find no room, and waits until the scheduler says of all of them that they wait for it.
func (s site) gather(ctx context.Context, w workload) error {
	pods := make([]*corev1.Pod, w.gangs)
	err := each(ctx, w.gangs, func(ctx context.Context, i int) error {
		pods[i] = asking(pod("muster", loadNamespace, gangName(i), 0, false), crowdGPUs)
		cpu := resource.NewMilliQuantity(int64(100+10*(i%crowdShapes)), resource.DecimalSI)
		pods[i].Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = *cpu
		return createGang(ctx, s.clients, "muster", loadNamespace, gangName(i), w.size, "")
	})
	if err != nil {
		return err
	}
	if _, err := s.create(ctx, pods); err != nil {
		return err
	}
	found := 0.0
	err = holds(ctx, func() (bool, error) {
		now, err := scrape(ctx, s.dir)
		found = now[`muster_waiting_gangs{reason="Unschedulable"}`]
		return found >= float64(w.gangs), err
	})
	if err != nil {
		return fmt.Errorf("waiting for %d gangs to wait for room, of which %.0f do: %w", w.gangs, found, err)
	}
	return nil
}
