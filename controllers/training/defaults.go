package training

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// setAllDefaults fills in, on a copy that is never written back, what the job leaves open. A replica type that this kind
// does not have, or that is given twice, stays as it is for validation to name.
func (k *kind) setAllDefaults(job trainingv1.Job) {
	k.canonicalize(job.Replicas())
	for t, spec := range job.Replicas() {
		if spec == nil {
			spec = &trainingv1.ReplicaSpec{}
			job.Replicas()[t] = spec
		}
		if spec.Replicas == nil {
			spec.Replicas = ptr.To[int32](1)
			if n, ok := k.replicas[t]; ok {
				*spec.Replicas = n
			}
		}
		if spec.RestartPolicy == "" {
			spec.RestartPolicy = k.restartPolicy
		}
		k.setDefaultPort(&spec.Template.Spec)
	}
	if k.setDefaults != nil {
		k.setDefaults(job)
	}
	if policy := job.Policy(); policy.CleanPodPolicy == nil {
		policy.CleanPodPolicy = ptr.To(trainingv1.CleanPodPolicyNone)
	}
}

// canonicalize rewrites the keys of the map to the kind's own spelling.
func (k *kind) canonicalize(replicas map[trainingv1.ReplicaType]*trainingv1.ReplicaSpec) {
	for _, t := range k.types {
		if _, ok := replicas[t]; ok {
			continue
		}
		var same []trainingv1.ReplicaType
		for key := range replicas {
			if strings.EqualFold(string(key), string(t)) {
				same = append(same, key)
			}
		}
		if len(same) == 0 {
			continue
		}
		key := slices.Min(same)
		replicas[t] = replicas[key]
		delete(replicas, key)
	}
}

// setDefaultPort gives the main container the kind's port unless it has one of that name.
func (k *kind) setDefaultPort(pod *corev1.PodSpec) {
	c := mainContainer(pod.Containers, k.container)
	if c == nil || k.portName == "" {
		return
	}
	for _, p := range c.Ports {
		if p.Name == k.portName {
			return
		}
	}
	c.Ports = append(c.Ports, corev1.ContainerPort{Name: k.portName, ContainerPort: k.port, Protocol: corev1.ProtocolTCP})
}
