package training

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// newAutoscaler is the HorizontalPodAutoscaler of an elastic job, nil unless the job asks for one by giving metrics. It
// works on the job's scale subresource.
func (k *kind) newAutoscaler(job trainingv1.Job) *autoscalingv2.HorizontalPodAutoscaler {
	elastic := k.elasticPolicy(job)
	if elastic == nil || len(elastic.Metrics) == 0 {
		return nil
	}
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Name:            job.GetName(),
			Namespace:       job.GetNamespace(),
			Labels:          k.labels(job),
			OwnerReferences: []metav1.OwnerReference{k.ownerReference(job)},
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: trainingv1.GroupVersion.String(), Kind: k.name, Name: job.GetName(),
			},
			MinReplicas: elastic.MinReplicas,
			MaxReplicas: *elastic.MaxReplicas,
			Metrics:     elastic.Metrics,
		},
	}
}

// syncAutoscaler returns existing as it should be, and false if it is so already. Scaling behaviour that others have set
// stays.
func syncAutoscaler(existing, wanted *autoscalingv2.HorizontalPodAutoscaler) (*autoscalingv2.HorizontalPodAutoscaler, bool) {
	hpa := existing.DeepCopy()
	hpa.Spec.ScaleTargetRef = wanted.Spec.ScaleTargetRef
	hpa.Spec.MinReplicas = wanted.Spec.MinReplicas
	hpa.Spec.MaxReplicas = wanted.Spec.MaxReplicas
	hpa.Spec.Metrics = wanted.Spec.Metrics
	return hpa, !equality.Semantic.DeepEqual(existing.Spec, hpa.Spec)
}
