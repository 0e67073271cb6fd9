package coscheduling

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// maxBinds is the number of binds in flight. A gang's gate opens for a thousand members at once; unbounded, they would
// exceed the streams that the API server allows on a connection and pay for dozens of new TLS connections. Sixty-four
// keep an API server that takes 20 ms for a bind busy with 3,200 of them a second.
const maxBinds = 64

// Bind posts the binding of a pod to its node.
func (pl *Coscheduling) Bind(ctx context.Context, _ fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	select {
	case pl.bindSlots <- struct{}{}:
		defer func() { <-pl.bindSlots }()
	case <-ctx.Done():
		return fwk.AsStatus(context.Cause(ctx))
	}
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}
	if err := pl.handle.ClientSet().CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		return fwk.AsStatus(err)
	}
	return nil
}
