package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// Of two jobs one fits. The other holds nothing, says why, and starts whole when the first has ended.
func TestJobsInTurn(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	first := tfJob("first", specs{"PS": replicas(1, cpu(1)), "Worker": replicas(2, cpu(1))},
		func(p *trainingv1.RunPolicy) { all := trainingv1.CleanPodPolicyAll; p.CleanPodPolicy = &all })
	second := pyTorchJob("second", specs{"Master": replicas(1, cpu(1)), "Worker": replicas(2, cpu(1))})
	e.create(first)
	e.expectBound("first", 3)
	e.create(second)
	e.expectRefused("second")
	e.expectEvent("PodGroup", "second", "Unschedulable", "1 of the 3 members that have to start together fit")
	e.expectConditions(second, "Created")
	e.expectPods("first-ps-0", "first-worker-0", "first-worker-1", "second-master-0", "second-worker-0", "second-worker-1")

	e.end("first-worker-0", 0)
	e.expectConditions(first, "Created -Running Succeeded")
	e.expectBound("second", 3)
	e.expectConditions(second, "Created Running")
}

// A job that would fit only in part lets a smaller one pass.
func TestJobThatNeverFits(t *testing.T) {
	e := setUp(t, nodes(2, gpu(4))...)
	large := pyTorchJob("large", specs{"Worker": replicas(3, gpu(4))})
	small := pyTorchJob("small", specs{"Worker": replicas(2, gpu(4), runFor("300ms"))})
	e.create(large)
	e.expectRefused("large")
	e.create(small)
	e.expectConditions(small, "Created -Running Succeeded")
	e.expectEvent("PodGroup", "large", "ExceedsCluster", "2 of the 3 members")
	e.expectNoneBound("large")
	e.expectConditions(large, "Created")
}

// minAvailable: two of three workers are enough to start.
func TestJobMinAvailable(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	least := int32(2)
	job := pyTorchJob("job", specs{"Worker": replicas(3, cpu(1))},
		func(p *trainingv1.RunPolicy) { p.SchedulingPolicy = &trainingv1.SchedulingPolicy{MinAvailable: &least} })
	e.create(job)
	e.expectBound("job", 2)
	e.expectMinimum("job", 2)
	e.expectConditions(job, "Created Running")
	e.expectReplicas(job, "Worker", 2, 0, 0)
	e.eventuallyUnschedulablePods(1)
	e.createNodes(node("more", cpu(1)))
	e.expectReplicas(job, "Worker", 3, 0, 0)
}

// A node is lost while a job runs: the cluster evicts its pods, the controller replaces them, and the gang is complete
// again before a newer job gets what the node had.
func TestJobOnLostNode(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	born := e.countBirths()
	job := tfJob("job", specs{"Worker": replicas(4, cpu(1), restarts(trainingv1.RestartPolicyNever), leaveAfter(1))},
		func(p *trainingv1.RunPolicy) { none := int32(0); p.BackoffLimit = &none })
	e.create(job)
	e.expectBound("job", 4)
	e.expectConditions(job, "Created Running")
	e.mayBreak("job")
	e.nextSecond()
	newer := tfJob("newer", specs{"Worker": replicas(2, cpu(1))})
	e.create(newer)
	e.expectRefused("newer")

	e.loseNode("node-1")
	e.expectBirthsInAll(born, 4+2+2)
	e.expectBound("job", 2)
	e.expectNoneBound("newer")
	e.createNodes(node("node-2", cpu(2)))
	e.expectBound("job", 4)
	e.expectNoneBound("newer")
	e.expectConditions(job, "Created Running")
	e.expectRestarts(job, 0) // it was not the program's fault
	e.createNodes(node("node-3", cpu(2)))
	e.expectBound("newer", 2)
}

// leaveAfter lets the pods stay on an unreachable node for some seconds only.
func leaveAfter(seconds int64) func(*trainingv1.ReplicaSpec) {
	return func(spec *trainingv1.ReplicaSpec) {
		spec.Template.Spec.Tolerations = []corev1.Toleration{{
			Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds,
		}}
	}
}

// loseNode makes a node look like one that is no longer heard from, and waits until the cluster has noticed.
func (e *env) loseNode(name string) {
	e.Helper()
	lost := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	patch := `{"metadata":{"annotations":{"local.muster.dev/lost":"true"}}}`
	e.do(e.client.Patch(e.Context(), lost, client.RawPatch(types.MergePatchType, []byte(patch))))
	e.eventually("the node is known to be lost", func(context.Context) (bool, string) {
		taints := now(e, lost).Spec.Taints
		return slices.ContainsFunc(taints, func(taint corev1.Taint) bool {
			return taint.Key == corev1.TaintNodeUnreachable && taint.Effect == corev1.TaintEffectNoExecute
		}), fmt.Sprintf("taints: %v", taints)
	})
}

// A job of 64 workers starts whole; no pod is created twice, nor tried to be.
func TestManyWorkers(t *testing.T) {
	e := setUp(t, nodes(8, gpu(8))...)
	born, vain := e.countBirths(), vainCreations(e)
	job := pyTorchJob("job", specs{"Master": replicas(1, gpu(1)), "Worker": replicas(63, gpu(1))})
	e.create(job)
	e.expectBound("job", 64)
	e.expectReplicas(job, "Worker", 63, 0, 0)
	e.expectBirths(born, 64, 1)
	if n := vainCreations(e) - vain; n != 0 {
		t.Errorf("%d pods were created although they existed", n)
	}
	e.end("job-master-0", 0)
	e.expectConditions(job, "Created -Running Succeeded")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	e.delete(job)
	e.expectPods()
}

// A job is deleted while it runs, and one of the same name comes at once: it gets pods and a PodGroup of its own.
func TestJobCreatedAgain(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	born := e.countBirths()
	job := func() *trainingv1.TFJob {
		return tfJob("job", specs{"PS": replicas(1, cpu(1)), "Worker": replicas(2, cpu(1))})
	}
	first, second := job(), job()
	e.create(first)
	e.expectConditions(first, "Created Running")
	group := e.getPodGroup("job").UID
	e.delete(first)
	e.create(second)
	for _, name := range []string{"job-ps-0", "job-worker-0", "job-worker-1"} {
		e.expectBirthsOf(born, name, 2)
	}
	e.expectConditions(second, "Created Running")
	e.expectBound("job", 3)
	if now := e.getPodGroup("job"); now.UID == group || !metav1.IsControlledBy(now, second) {
		t.Errorf("PodGroup: %+v", now.ObjectMeta)
	}
	e.expectServices("job-ps-0", "job-worker-0", "job-worker-1")
	e.delete(second)
	e.expectPods()
	e.expectServices()
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
}
