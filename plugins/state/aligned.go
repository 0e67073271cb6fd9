package state

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/internal/resource"
)

// gpuAnnotations say how near the GPUs of a pod have to be, and should be.
var gpuAnnotations = []string{schedulingv1alpha1.GPUTopologyRequiredAnnotation, schedulingv1alpha1.GPUTopologyPreferredAnnotation}

// AlignedOf is what a pod asks for that may have to be near each other: devices, and of a Guaranteed pod the CPUs that a
// container has to itself, and the memory. An annotation that cannot be read asks for nothing: its gang is not tried.
func AlignedOf(pod *corev1.Pod) numa.Pod {
	var p numa.Pod
	p.Required, _ = localityOf(pod, schedulingv1alpha1.GPUTopologyRequiredAnnotation)
	p.Preferred, _ = localityOf(pod, schedulingv1alpha1.GPUTopologyPreferredAnnotation)
	guaranteed := qos.GetPodQOS(pod) == corev1.PodQOSGuaranteed
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			p.Containers = append(p.Containers, alignedIn(c, guaranteed))
		} else {
			p.Init = append(p.Init, alignedIn(c, guaranteed))
		}
	}
	for i := range pod.Spec.Containers {
		p.Containers = append(p.Containers, alignedIn(&pod.Spec.Containers[i], guaranteed))
	}
	return p
}

func alignedIn(c *corev1.Container, guaranteed bool) resource.Amounts {
	aligned := corev1.ResourceList{}
	for name, quantity := range c.Resources.Requests {
		switch {
		case IsExtended(name):
		case !guaranteed, name == corev1.ResourceEphemeralStorage:
			continue
		case name == corev1.ResourceCPU && quantity.MilliValue()%1000 != 0:
			continue // It shares the CPUs that nobody has to himself.
		}
		aligned[name] = quantity
	}
	return AmountsOf(aligned)
}

// localityOf reads how near the GPUs of a pod have to be, or should be.
func localityOf(pod *corev1.Pod, annotation string) (numa.Locality, error) {
	locality, err := numa.ParseLocality(pod.Annotations[annotation])
	if err != nil {
		return numa.Anywhere, fmt.Errorf("annotation %s: %w", annotation, err)
	}
	return locality, nil
}
