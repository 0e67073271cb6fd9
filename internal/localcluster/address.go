package localcluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Where kubectl-muster looks for a scheduler that is no pod.
const (
	systemNamespace = "muster-system"
	addressMap      = "muster-scheduler-address"
)

// publishScheduler says in the cluster where its scheduler listens, and which authority vouches for it.
func (c *Cluster) publishScheduler(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		return fmt.Errorf("publish the scheduler's address: %w", err)
	}
	address := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: addressMap},
		Data:       map[string]string{"url": c.schedulerURL, "ca": string(c.client.CAData)},
	}
	if err := apply(ctx, client.CoreV1().ConfigMaps(systemNamespace), address); err != nil {
		return fmt.Errorf("publish the scheduler's address: %w", err)
	}
	return nil
}
