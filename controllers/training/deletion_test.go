package training

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A controller that is killed while it deletes a pod may leave it marked and not removed. The next one removes it, unless
// somebody else has to do something first.
func TestADeletionThatWasCutOffIsFinished(t *testing.T) {
	marked := func(grace int64, finalizers ...string) podOption {
		return func(p *corev1.Pod) {
			p.DeletionTimestamp = new(metav1.NewTime(noon))
			p.DeletionGracePeriodSeconds = &grace
			p.Finalizers = finalizers
		}
	}
	for name, c := range map[string]struct {
		mark    podOption
		since   time.Duration
		removed bool
	}{
		"no grace left":          {marked(0), cutOffAfter, true},
		"only just marked":       {marked(0), 0, false},
		"time to end":            {marked(30), time.Hour, false},
		"somebody's finalizer":   {marked(0, "example.com/log"), time.Hour, false},
		"not marked, but failed": {func(*corev1.Pod) {}, 0, true},
	} {
		k, job := simpleTFJob(t, "replicas: 1, restartPolicy: OnFailure", "")
		seen := seeing(podIn(k, "tf-worker-0", corev1.PodFailed, c.mark))
		p := k.decide(Config{}, job, seen, noon.Add(c.since))
		if removed := len(p.remove) == 1; removed != c.removed {
			t.Errorf("%s: removes %v, want %v", name, p.remove, c.removed)
		}
		if name == "only just marked" && p.after != cutOffAfter {
			t.Errorf("%s: looks again after %v", name, p.after)
		}
	}
}
