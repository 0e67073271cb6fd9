package localcluster

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// kwokClient is the client that kwok gets. kwok v0.8.0 removes a pod that is being deleted by its name alone, and when it is
// slow it does so twice: the second time may meet a pod that was made anew under the name. Here such a pod stays.
type kwokClient struct{ kubernetes.Interface }

func (c kwokClient) CoreV1() corev1client.CoreV1Interface { return kwokCore{c.Interface.CoreV1()} }

type kwokCore struct{ corev1client.CoreV1Interface }

func (c kwokCore) Pods(namespace string) corev1client.PodInterface {
	return kwokPods{c.CoreV1Interface.Pods(namespace)}
}

type kwokPods struct{ corev1client.PodInterface }

// Delete removes a pod for good if somebody has asked for its deletion, as a kubelet does, and leaves any other alone.
func (c kwokPods) Delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	pod, err := c.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the pod %s that is to go: %w", name, err)
	}
	if pod.DeletionTimestamp == nil {
		return nil
	}
	options.Preconditions = metav1.NewUIDPreconditions(string(pod.UID))
	return c.PodInterface.Delete(ctx, name, options)
}
