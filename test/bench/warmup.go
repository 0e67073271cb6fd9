package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// warmUp has a gang of two pods bound, so that the measured time begins with a scheduler that is at work, and with
// connections that are open. The pods are removed again.
func warmUp(ctx context.Context, c *clients, system string) error {
	const namespace, gang, size = metav1.NamespaceDefault, "warm-up", 2
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	if err := createGang(ctx, c, system, namespace, gang, size, ""); err != nil {
		return err
	}
	pods := c.kube.CoreV1().Pods(namespace)
	for i := range size {
		made, err := pods.Create(ctx, pod(system, namespace, gang, i, false), metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("creating a pod to warm up: %w", err)
		}
		if system == "raw" {
			if err := bind(ctx, c, made, "node-0"); err != nil {
				return err
			}
		}
	}
	bound := 0
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		list, err := pods.List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, fmt.Errorf("listing the pods: %w", err)
		}
		bound = 0
		for _, p := range list.Items {
			if p.Spec.NodeName != "" {
				bound++
			}
		}
		return bound == size, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for a gang of %d to warm up, of which %d are bound: %w", size, bound, err)
	}
	now := int64(0)
	for i := range size {
		name := pod(system, namespace, gang, i, false).Name
		if err := pods.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			return fmt.Errorf("deleting the pod %s: %w", name, err)
		}
	}
	return nil
}
