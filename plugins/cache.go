package plugins

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"

	"github.com/muster-scheduling/muster/plugins/state"
)

// observedCache is kube-scheduler's cache of nodes and of the pods on them. It tells the registry of gangs what changed
// after it has changed. Were the registry told by a watch of its own, a gang that is tried because room came free could
// still find the old snapshot.
type observedCache struct {
	internalcache.Cache
	ctx   context.Context
	gangs *state.Store
}

func (c observedCache) AssumePod(logger klog.Logger, pod *corev1.Pod) error {
	if err := c.Cache.AssumePod(logger, pod); err != nil {
		return fmt.Errorf("assuming pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	c.gangs.Occupied(pod)
	return nil
}

func (c observedCache) ForgetPod(logger klog.Logger, pod *corev1.Pod) error {
	err := c.Cache.ForgetPod(logger, pod)
	c.gangs.Apply(c.ctx, c.gangs.Vacated(pod))
	return err
}

func (c observedCache) RemoveAssumedPod(logger klog.Logger, pod *corev1.Pod) error {
	err := c.Cache.RemoveAssumedPod(logger, pod)
	c.gangs.Apply(c.ctx, c.gangs.Vacated(pod))
	return err
}

func (c observedCache) AddPod(logger klog.Logger, pod *corev1.Pod) error {
	err := c.Cache.AddPod(logger, pod)
	c.gangs.Occupied(pod)
	return err
}

func (c observedCache) UpdatePod(logger klog.Logger, old, pod *corev1.Pod) error {
	err := c.Cache.UpdatePod(logger, old, pod)
	c.gangs.Occupied(pod)
	return err
}

func (c observedCache) RemovePod(logger klog.Logger, pod *corev1.Pod) error {
	err := c.Cache.RemovePod(logger, pod)
	c.gangs.Apply(c.ctx, c.gangs.Vacated(pod))
	return err
}

func (c observedCache) AddNode(logger klog.Logger, node *corev1.Node) {
	c.Cache.AddNode(logger, node)
	c.gangs.Apply(c.ctx, c.gangs.SetNode(node))
}

func (c observedCache) UpdateNode(logger klog.Logger, old, node *corev1.Node) {
	c.Cache.UpdateNode(logger, old, node)
	c.gangs.Apply(c.ctx, c.gangs.SetNode(node))
}

func (c observedCache) RemoveNode(logger klog.Logger, node *corev1.Node) error {
	err := c.Cache.RemoveNode(logger, node)
	c.gangs.Apply(c.ctx, c.gangs.DeleteNode(node.Name))
	return err
}
