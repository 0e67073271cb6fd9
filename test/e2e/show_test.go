package e2e

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// show prints what a namespace holds, for who has to find out why a test failed.
func show(ctx context.Context, namespace string) {
	for _, args := range [][]string{
		{"get", "pods,podgroups,services", "-o", "wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
	} {
		output, err := kubectl(ctx, append([]string{"-n", namespace}, args...)...)
		if err != nil {
			output = err.Error()
		}
		fmt.Println(output)
	}
	pods, err := shared.clients.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, pod := range pods.Items {
		for _, previous := range []bool{true, false} {
			options := &corev1.PodLogOptions{Previous: previous, TailLines: new(int64(40))}
			log, err := shared.clients.CoreV1().Pods(namespace).GetLogs(pod.Name, options).DoRaw(ctx)
			if err == nil {
				fmt.Printf("log of %s:\n%s\n", pod.Name, log)
			} else if !previous {
				fmt.Printf("log of %s: %v\n", pod.Name, err)
			}
		}
	}
}
