package state

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/muster-scheduling/muster/internal/resource"
)

// RequestOf is what a pod asks of a node and of its queue: milli-CPU, bytes and numbers, and one of "pods".
func RequestOf(pod *corev1.Pod) resource.Amounts {
	request := AmountsOf(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
	request[string(corev1.ResourcePods)] = 1
	return request
}

// AmountsOf translates a list of quantities: CPU into thousandths of a core, all else into whole units, rounded up. What is
// zero or negative is left out; what is too large for an int64 saturates.
func AmountsOf(list corev1.ResourceList) resource.Amounts {
	amounts := make(resource.Amounts, len(list)+1)
	for name, quantity := range list {
		amount := quantity.Value()
		if name == corev1.ResourceCPU {
			amount = quantity.MilliValue()
		}
		if amount > 0 {
			amounts[string(name)] = amount
		}
	}
	return amounts
}

// Traits are the parts of a pod's spec that a filter may look at. What differs between the ranks of a job (names, commands,
// environment, mounts, generated token volumes) is left out.
func Traits(pod *corev1.Pod) corev1.PodSpec {
	spec := pod.Spec
	spec.Containers = traitsOfContainers(spec.Containers)
	spec.InitContainers = traitsOfContainers(spec.InitContainers)
	spec.EphemeralContainers = nil
	spec.Volumes = slices.DeleteFunc(slices.Clone(spec.Volumes), func(v corev1.Volume) bool { return !Restricts(v) })
	spec.Hostname, spec.Subdomain, spec.ServiceAccountName, spec.DeprecatedServiceAccount = "", "", "", ""
	spec.ImagePullSecrets, spec.HostAliases, spec.DNSConfig = nil, nil, nil
	return spec
}

func traitsOfContainers(containers []corev1.Container) []corev1.Container {
	stripped := make([]corev1.Container, len(containers))
	for i, c := range containers {
		stripped[i] = corev1.Container{Ports: c.Ports, Resources: c.Resources, ResizePolicy: c.ResizePolicy, RestartPolicy: c.RestartPolicy, SecurityContext: c.SecurityContext}
	}
	return stripped
}

// Restricts reports whether a volume can keep a pod from a node.
func Restricts(v corev1.Volume) bool {
	return v.ConfigMap == nil && v.Secret == nil && v.EmptyDir == nil && v.DownwardAPI == nil && v.Projected == nil && v.HostPath == nil
}

// IsExtended reports whether a resource is neither Kubernetes' own nor without a domain: a device, mostly.
func IsExtended(name corev1.ResourceName) bool {
	domain, _, qualified := strings.Cut(string(name), "/")
	return qualified && domain != "kubernetes.io" && !strings.HasSuffix(domain, ".kubernetes.io")
}

// startOf is when a pod started on its node; zero where it has not.
func startOf(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime == nil {
		return time.Time{}
	}
	return pod.Status.StartTime.Time
}
