package trainer

import (
	"crypto/sha1" // what JobSet makes a label of
	"encoding/hex"
	"fmt"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// operatorName is the value of the label by which the manager knows what it has made for TrainJobs.
const operatorName = "trainjob-controller"

// labels are those of everything but Jobs and pods that belongs to a TrainJob.
func labels(job *trainerv1alpha1.TrainJob) map[string]string {
	return map[string]string{
		trainingv1.OperatorNameLabel:  operatorName,
		trainerv1alpha1.JobSetNameKey: job.Name,
	}
}

func ownerReferences(job *trainerv1alpha1.TrainJob) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(job, trainerv1alpha1.GroupVersion.WithKind(trainerv1alpha1.TrainJobKind))}
}

// metadata is that of an object that belongs to a TrainJob.
func metadata(job *trainerv1alpha1.TrainJob, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: job.Namespace, Labels: labels(job), OwnerReferences: ownerReferences(job)}
}

// newJob is one Job of a set, as JobSet would make it. The attempt is how often the set was made anew.
func (s *set) newJob(job *trainerv1alpha1.TrainJob, rjob *trainerv1alpha1.ReplicatedJob, index, attempt int32) *batchv1.Job {
	template := rjob.Template.DeepCopy()
	keys := s.keys(job, rjob, index, attempt)
	made := &batchv1.Job{ObjectMeta: metadata(job, jobName(job.Name, rjob.Name, index)), Spec: template.Spec}
	made.Labels = overlay(overlay(overlay(s.Labels, template.Labels), made.Labels), keys)
	made.Annotations = overlay(overlay(s.Annotations, template.Annotations), keys)
	pod := &made.Spec.Template
	pod.Labels, pod.Annotations = overlay(pod.Labels, keys), overlay(pod.Annotations, keys)
	pod.Annotations[trainingv1.AttemptAnnotation] = fmt.Sprint(attempt)
	if *s.Spec.Network.EnableDNSHostnames {
		pod.Spec.Subdomain = s.Spec.Network.Subdomain
	}
	return made
}

// schedule hands the pods of all jobs to Muster, unless they name another scheduler, and makes them members of their gangs.
func (s *set) schedule(job *trainerv1alpha1.TrainJob) {
	for _, g := range s.gangs(job) {
		for _, rjob := range g.members {
			pod := &rjob.Template.Spec.Template
			pod.Labels = overlay(pod.Labels, map[string]string{schedulingv1alpha1.PodGroupLabel: g.name})
			if pod.Labels[schedulingv1alpha1.RoleLabel] == "" {
				pod.Labels[schedulingv1alpha1.RoleLabel] = rjob.Name
			}
		}
	}
	for i := range s.Spec.ReplicatedJobs {
		pod := &s.Spec.ReplicatedJobs[i].Template.Spec.Template
		if pod.Spec.SchedulerName == "" {
			pod.Spec.SchedulerName = schedulingv1alpha1.SchedulerName
		}
		if queue := s.queue(job); queue != "" && pod.Labels[schedulingv1alpha1.QueueLabel] == "" {
			pod.Labels = overlay(pod.Labels, map[string]string{schedulingv1alpha1.QueueLabel: queue})
		}
	}
}

// keys are the labels, and annotations, by which Jobs and pods of a set are known.
func (s *set) keys(job *trainerv1alpha1.TrainJob, rjob *trainerv1alpha1.ReplicatedJob, index, attempt int32) map[string]string {
	name := jobName(job.Name, rjob.Name, index)
	hash := sha1.Sum([]byte(job.Namespace + "/" + name))
	all, before := s.countJobs("", rjob)
	inGroup, beforeInGroup := s.countJobs(rjob.GroupName, rjob)
	keys := map[string]string{
		trainerv1alpha1.JobSetNameKey:         job.Name,
		trainerv1alpha1.JobSetUIDKey:          string(job.UID),
		trainerv1alpha1.ReplicatedJobNameKey:  rjob.Name,
		trainerv1alpha1.ReplicatedJobReplicas: fmt.Sprint(*rjob.Replicas),
		trainerv1alpha1.GlobalReplicasKey:     fmt.Sprint(all),
		trainerv1alpha1.JobIndexKey:           fmt.Sprint(index),
		trainerv1alpha1.JobGlobalIndexKey:     fmt.Sprint(before + index),
		trainerv1alpha1.JobKey:                hex.EncodeToString(hash[:]),
		trainerv1alpha1.GroupNameKey:          rjob.GroupName,
		trainerv1alpha1.GroupReplicasKey:      fmt.Sprint(inGroup),
		trainerv1alpha1.JobGroupIndexKey:      fmt.Sprint(beforeInGroup + index),
		trainerv1alpha1.RestartAttemptKey:     fmt.Sprint(attempt),
	}
	if c := s.Spec.Coordinator; c != nil {
		keys[trainerv1alpha1.CoordinatorKey] = fmt.Sprintf("%s.%s",
			hostname(job.Name, c.ReplicatedJob, int32(c.JobIndex), int32(c.PodIndex)), s.Spec.Network.Subdomain)
	}
	return keys
}

// countJobs counts the Jobs of a group, or of all groups, and those of replicated jobs before one.
func (s *set) countJobs(group string, until *trainerv1alpha1.ReplicatedJob) (all, before int32) {
	reached := false
	for i := range s.Spec.ReplicatedJobs {
		rjob := &s.Spec.ReplicatedJobs[i]
		reached = reached || rjob.Name == until.Name
		if group != "" && rjob.GroupName != group {
			continue
		}
		all += *rjob.Replicas
		if !reached {
			before += *rjob.Replicas
		}
	}
	return all, before
}

// newService is the service by which the pods of a set find each other, nil if they do not.
func (s *set) newService(job *trainerv1alpha1.TrainJob) *corev1.Service {
	if !*s.Spec.Network.EnableDNSHostnames {
		return nil
	}
	return &corev1.Service{
		ObjectMeta: metadata(job, s.Spec.Network.Subdomain),
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			Selector:                 map[string]string{trainerv1alpha1.JobSetNameKey: job.Name},
			PublishNotReadyAddresses: *s.Spec.Network.PublishNotReadyAddresses,
		},
	}
}

// newHostfile holds what mpirun reads, nil without MPI.
func (s *set) newHostfile(job *trainerv1alpha1.TrainJob) *corev1.ConfigMap {
	if s.Hostfile == "" {
		return nil
	}
	return &corev1.ConfigMap{ObjectMeta: metadata(job, hostfileName(job.Name)), Data: map[string]string{hostfileKey: s.Hostfile}}
}

// newClaims are the volumes that the pods of the set share.
func (s *set) newClaims(job *trainerv1alpha1.TrainJob) ([]*corev1.PersistentVolumeClaim, error) {
	var claims []*corev1.PersistentVolumeClaim
	for _, policy := range s.Spec.VolumeClaimPolicies {
		for i := range policy.Templates {
			template := &policy.Templates[i]
			spec, err := template.ClaimSpec()
			if err != nil {
				return nil, badRuntime("its claim %s is no PersistentVolumeClaim: %w", template.Metadata.Name, err)
			}
			claim := &corev1.PersistentVolumeClaim{ObjectMeta: metadata(job, claimName(job, template)), Spec: spec}
			claim.Labels = overlay(template.Metadata.Labels, claim.Labels)
			claim.Annotations = maps.Clone(template.Metadata.Annotations)
			if policy.RetentionPolicy != nil && policy.RetentionPolicy.WhenDeleted == "Retain" {
				claim.OwnerReferences = nil
			}
			claims = append(claims, claim)
		}
	}
	return claims, nil
}

func claimName(job *trainerv1alpha1.TrainJob, claim *trainerv1alpha1.VolumeClaim) string {
	return claim.Metadata.Name + "-" + job.Name
}
