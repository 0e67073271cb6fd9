package plugins

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/plugins/state"
)

// quietRecorder drops the event that kube-scheduler writes for every pod that it binds where the pod belongs to a gang:
// one event on the PodGroup says more, and a thousand writes cost the API server as much as the binding itself.
type quietRecorder struct {
	events.EventRecorderLogger
}

// Eventf records an event unless it says that a member of a gang was bound.
func (r quietRecorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	if pod, isPod := regarding.(*corev1.Pod); isPod && reason == "Scheduled" {
		if _, isMember := state.GangOf(pod); isMember {
			return
		}
	}
	r.EventRecorderLogger.Eventf(regarding, related, kind, reason, action, note, args...)
}

// WithLogger keeps the filter around the recorder with that logger.
func (r quietRecorder) WithLogger(logger klog.Logger) events.EventRecorderLogger {
	return quietRecorder{r.EventRecorderLogger.WithLogger(logger)}
}
