package training

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// newService is the headless service that gives a pod its name in DNS. It publishes the address before the pod is
// ready: the pods of a job wait for each other, and none would become ready if a name appeared only then.
func (k *kind) newService(job trainingv1.Job, m member) *corev1.Service {
	labels := k.memberLabels(job, m)
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name:            m.name,
			Namespace:       job.GetNamespace(),
			Labels:          labels,
			OwnerReferences: []metav1.OwnerReference{k.ownerReference(job)},
		},
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			Selector:                 k.memberLabels(job, m),
			PublishNotReadyAddresses: true,
		},
	}
	for _, p := range mainContainer(m.spec.Template.Spec.Containers, k.container).Ports {
		name := p.Name
		if name == "" {
			name = fmt.Sprintf("port-%d", p.ContainerPort) // a service with several ports needs all named
		}
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{
			Name: name, Port: p.ContainerPort, TargetPort: intstr.FromInt32(p.ContainerPort), Protocol: p.Protocol,
		})
	}
	return service
}
