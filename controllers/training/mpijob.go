package training

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var mpiJob = newMPIKind(func(k *kind) {
	k.variant = func(job trainingv1.Job) *kind {
		if mpiVersion(job.(*trainingv1.MPIJob)) == trainingv1.MPIVersionExec {
			return mpiExec
		}
		return mpiSSH
	}
})

// newMPIKind is what MPIJobs have in common, with what only some of them have.
func newMPIKind(add func(*kind)) *kind {
	k := &kind{
		name:          "MPIJob",
		newJob:        func() trainingv1.Job { return &trainingv1.MPIJob{} },
		manager:       trainingv1.ManagedByMPIOperator,
		replicasField: "mpiReplicaSpecs",
		types:         []trainingv1.ReplicaType{trainingv1.MPILauncher, trainingv1.MPIWorker},
		leaders:       []trainingv1.ReplicaType{trainingv1.MPILauncher},
		worker:        trainingv1.MPIWorker,
		kept:          trainingv1.MPILauncher,
		podName:       mpiPodName,
		replicas:      map[trainingv1.ReplicaType]int32{trainingv1.MPIWorker: 0},
		running:       mpiRunning,
		excused:       mpiExcused,
		supportTypes: []client.Object{
			&corev1.ConfigMap{}, &corev1.ServiceAccount{}, &rbacv1.Role{}, &rbacv1.RoleBinding{},
		},
	}
	add(k)
	return k
}

// mpiPodName is <job>-launcher for the one launcher.
func mpiPodName(job string, t trainingv1.ReplicaType, index int32) string {
	if t == trainingv1.MPILauncher {
		return job + "-launcher"
	}
	return memberName(job, t, index)
}

// mpiRunning says whether a job runs: it begins to when the launcher does and the workers that it needs, and goes on as long as
// the launcher does. Workers may come and go meanwhile.
func mpiRunning(job trainingv1.Job, members []member) bool {
	var workers int32
	for _, m := range ofType(members, trainingv1.MPIWorker) {
		if m.active() {
			workers++
		}
	}
	return slices.ContainsFunc(ofType(members, trainingv1.MPILauncher), member.active) &&
		(isTrue(job.State(), trainingv1.JobRunning) || workers >= mpiNeeded(job.(*trainingv1.MPIJob)))
}

// mpiExcused says whether a launcher failed because it has lost a worker: one is gone, on its way out or taken away by the
// cluster, or was replaced after mpirun had started.
func mpiExcused(m member, members []member) bool {
	if m.rtype != trainingv1.MPILauncher {
		return false
	}
	mpirun := ending(m.pod.Status.ContainerStatuses, m.pod.Spec.Containers[0].Name)
	return mpirun != nil && slices.ContainsFunc(ofType(members, trainingv1.MPIWorker), func(w member) bool {
		return w.pod == nil || w.pod.DeletionTimestamp != nil ||
			w.failed() && (w.pod.Status.Reason == "Evicted" || disrupted(w.pod)) ||
			w.pod.CreationTimestamp.After(mpirun.StartedAt.Time)
	})
}

// slots is the number of processes on each host.
func slots(job *trainingv1.MPIJob) int32 {
	return ptr.Deref(job.Spec.SlotsPerWorker, 1)
}

// mpiNeeded is how many workers the launcher cannot begin without: all, or as many as the gang is placed with at least.
func mpiNeeded(job *trainingv1.MPIJob) int32 {
	workers := int32(0)
	if spec := job.Replicas()[trainingv1.MPIWorker]; spec != nil {
		workers = *spec.Replicas
	}
	if policy := job.Policy().SchedulingPolicy; policy != nil && policy.MinAvailable != nil {
		return min(workers, max(0, *policy.MinAvailable-1))
	}
	return workers
}

// runningWorkers are the workers that a program which looks for hosts may use. Before the launcher can begin nobody looks,
// and nothing has to be written for each worker that starts.
func runningWorkers(job *trainingv1.MPIJob, members []member) []member {
	var running []member
	for _, m := range ofType(members, trainingv1.MPIWorker) {
		if m.active() {
			running = append(running, m)
		}
	}
	launched := slices.ContainsFunc(ofType(members, trainingv1.MPILauncher), member.active)
	if !launched && len(running) < int(mpiNeeded(job)) {
		return nil
	}
	return running
}

// validateMPIJob checks what both versions have in common.
func validateMPIJob(job *trainingv1.MPIJob) field.ErrorList {
	var errs field.ErrorList
	spec := field.NewPath("spec")
	replicas := spec.Child("mpiReplicaSpecs")
	if l := job.Replicas()[trainingv1.MPILauncher]; l == nil || *l.Replicas != 1 {
		errs = append(errs, field.Required(replicas.Key("Launcher"), "a Launcher with exactly 1 replica is needed"))
	}
	if n := slots(job); n < 1 {
		errs = append(errs, field.Invalid(spec.Child("slotsPerWorker"), n, "must be 1 or more"))
	}
	if v := job.Annotations[trainingv1.MPIVersionAnnotation]; v != "" && v != trainingv1.MPIVersionExec && v != trainingv1.MPIVersionSSH {
		errs = append(errs, field.NotSupported(field.NewPath("metadata", "annotations").Key(trainingv1.MPIVersionAnnotation), v,
			[]string{trainingv1.MPIVersionExec, trainingv1.MPIVersionSSH}))
	}
	return errs
}

// addVolume gives a pod a volume, instead of one of the same name.
func addVolume(pod *corev1.PodSpec, name string, source corev1.VolumeSource) {
	pod.Volumes = slices.DeleteFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: source})
}

// waitContainer is the init container in which the launcher waits until its workers answer. It is the main container with
// another command, so that it needs no image of its own, is the same user and finds the same files. It requests the same,
// so that the pod as a whole requests no more, but no devices.
func waitContainer(main *corev1.Container, script string, args ...string) corev1.Container {
	c := main.DeepCopy()
	return corev1.Container{
		Name:            "wait-for-workers",
		Image:           c.Image,
		ImagePullPolicy: c.ImagePullPolicy,
		Command:         append([]string{"/bin/sh", "-c", script, "wait-for-workers"}, args...),
		Env:             c.Env,
		EnvFrom:         c.EnvFrom,
		VolumeMounts:    c.VolumeMounts,
		SecurityContext: c.SecurityContext,
		Resources:       plainResources(c.Resources),
	}
}

// plainResources are those of a container without its devices.
func plainResources(all corev1.ResourceRequirements) corev1.ResourceRequirements {
	plain := func(from corev1.ResourceList) corev1.ResourceList {
		var some corev1.ResourceList
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			if q, ok := from[name]; ok {
				if some == nil {
					some = corev1.ResourceList{}
				}
				some[name] = q
			}
		}
		return some
	}
	return corev1.ResourceRequirements{Requests: plain(all.Requests), Limits: plain(all.Limits)}
}

// noGPUs keeps the NVIDIA runtime from showing every GPU of the node to a container that asked for none.
var noGPUs = []corev1.EnvVar{{Name: "NVIDIA_VISIBLE_DEVICES"}, {Name: "NVIDIA_DRIVER_CAPABILITIES"}}

// asksForGPU says whether a container has a limit on GPUs.
func asksForGPU(c *corev1.Container) bool {
	for name := range c.Resources.Limits {
		if strings.Contains(string(name), "gpu") || strings.HasPrefix(string(name), "nvidia.com/mig-") {
			return true
		}
	}
	return false
}

// recordVersion writes on a job of a kind with variants which of them it is, unless it says so already.
func (r *reconciler) recordVersion(ctx context.Context, stored trainingv1.Job) error {
	if r.kind.variant == nil || stored.GetAnnotations()[trainingv1.MPIVersionAnnotation] != "" {
		return nil
	}
	before := stored.DeepCopyObject().(client.Object)
	stored.SetAnnotations(overlay(stored.GetAnnotations(), map[string]string{
		trainingv1.MPIVersionAnnotation: r.kind.of(stored).gvk().Version,
	}))
	if err := r.client.Patch(ctx, stored, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("writing on %s %s/%s how it is launched: %w", r.kind.name, stored.GetNamespace(), stored.GetName(), err)
	}
	return nil
}
