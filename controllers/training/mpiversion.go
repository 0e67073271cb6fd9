package training

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	trainingv2beta1 "github.com/muster-scheduling/muster/apis/training/v2beta1"
)

// mpiVersion says how a job is launched: as is recorded on it, else after the version through which it was created, else
// after the fields that only one version has. A job of which all that says nothing is launched by ssh.
func mpiVersion(job *trainingv1.MPIJob) string {
	if v := job.Annotations[trainingv1.MPIVersionAnnotation]; v != "" {
		return v
	}
	if created := creation(job.ManagedFields); created != nil {
		return strings.TrimPrefix(created.APIVersion, trainingv1.GroupVersion.Group+"/")
	}
	spec := &job.Spec
	ssh := spec.RunLauncherAsWorker != nil || spec.SSHAuthMountPath != "" || spec.LauncherCreationPolicy != "" || spec.MPIImplementation != "" ||
		spec.RunPolicy.ManagedBy != nil && *spec.RunPolicy.ManagedBy == trainingv1.ManagedByMPIOperator
	if !ssh && (spec.MainContainer != "" || spec.CleanPodPolicy != nil) {
		return trainingv1.MPIVersionExec
	}
	return trainingv1.MPIVersionSSH
}

// creation is the entry that whoever created an MPIJob left in its managedFields: the earliest of those that set the
// replicas, which every job has. Times are in whole seconds; nil: two different versions were written in the same second, or
// nothing is known.
func creation(entries []metav1.ManagedFieldsEntry) *metav1.ManagedFieldsEntry {
	var first *metav1.ManagedFieldsEntry
	sets, unsure := false, false
	for i := range entries {
		e := &entries[i]
		if e.Subresource != "" || !strings.HasPrefix(e.APIVersion, trainingv1.GroupVersion.Group+"/") {
			continue
		}
		setsReplicas := e.FieldsV1 != nil && strings.Contains(e.FieldsV1.GetRawString(), `"f:mpiReplicaSpecs"`)
		switch {
		case first == nil, setsReplicas && !sets, setsReplicas == sets && e.Time.Before(first.Time):
			first, sets, unsure = e, setsReplicas, false
		case setsReplicas == sets && e.Time.Equal(first.Time) && e.APIVersion != first.APIVersion:
			unsure = true
		}
	}
	if unsure {
		return nil
	}
	return first
}

// keepCreation is for the cache, which does without managedFields: of those of an MPIJob it leaves what creation needs.
func keepCreation(object any) (any, error) {
	if job, ok := object.(*trainingv1.MPIJob); ok {
		created := creation(job.ManagedFields)
		job.ManagedFields = nil
		if created != nil {
			job.ManagedFields = []metav1.ManagedFieldsEntry{{APIVersion: created.APIVersion, Time: created.Time}}
		}
	}
	return object, nil
}

// asWritten is a job that was read from a manifest, with the version of the manifest recorded on it as it will be.
func asWritten(job trainingv1.Job) trainingv1.Job {
	version := trainingv1.MPIVersionExec
	if written, ok := job.(*trainingv2beta1.MPIJob); ok {
		version = trainingv1.MPIVersionSSH
		job = &trainingv1.MPIJob{TypeMeta: written.TypeMeta, ObjectMeta: written.ObjectMeta, Spec: written.Spec, Status: written.Status}
	}
	if mpi, ok := job.(*trainingv1.MPIJob); ok && mpi.Annotations[trainingv1.MPIVersionAnnotation] == "" {
		mpi.Annotations = overlay(mpi.Annotations, map[string]string{trainingv1.MPIVersionAnnotation: version})
	}
	return job
}
