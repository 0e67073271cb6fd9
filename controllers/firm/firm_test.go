package firm

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

func TestReconcile(t *testing.T) {
	born := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		pod   func(*corev1.Pod)
		queue string // what some gang in it waits for
		after time.Duration
		firm  bool
		again time.Duration
	}{
		"waits for quota":         {queue: "QuotaExceeded", after: time.Minute},
		"asks for more than ever": {queue: "ExceedsLimit", after: time.Minute},
		"has not waited for long": {queue: "QuotaExceeded", after: time.Second, firm: true, again: patience - time.Second},
		"others wait for room":    {queue: "Unschedulable", after: time.Minute, firm: true, again: patience},
		"waits for room itself": {queue: "QuotaExceeded", after: time.Minute, firm: true, again: patience, pod: func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
		}},
		"is firm because its user says so": {queue: "QuotaExceeded", after: time.Minute, firm: true, pod: func(p *corev1.Pod) { delete(p.Annotations, v1alpha1.FirmForAnnotation) }},
		"has a node":                       {queue: "QuotaExceeded", after: time.Minute, firm: true, pod: func(p *corev1.Pod) { p.Spec.NodeName = "n" }},
		"is another scheduler's":           {queue: "QuotaExceeded", after: time.Minute, firm: true, pod: func(p *corev1.Pod) { p.Spec.SchedulerName = "x" }},
		"is in a queue that is not there":  {queue: "QuotaExceeded", after: time.Minute, firm: true, again: patience, pod: func(p *corev1.Pod) { p.Labels = map[string]string{v1alpha1.QueueLabel: "gone"} }},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
				if err := add(scheme); err != nil {
					t.Fatal(err)
				}
			}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ann-0", CreationTimestamp: metav1.NewTime(born),
				Annotations: map[string]string{v1alpha1.PreemptibleAnnotation: "false", v1alpha1.FirmForAnnotation: "ann"}}}
			pod.Spec.SchedulerName = v1alpha1.SchedulerName
			if c.pod != nil {
				c.pod(pod)
			}
			queue := &v1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: "desk"}, Status: v1alpha1.QueueStatus{Waiting: []v1alpha1.WaitingGangs{{Reason: c.queue, Count: 1}}}}
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", Labels: map[string]string{v1alpha1.QueueLabel: "desk"}}}
			all := fake.NewClientBuilder().WithScheme(scheme).WithObjects(pod, queue, namespace).Build()
			recorder := events.NewFakeRecorder(1)
			r := &reconciler{client: all, queues: all, recorder: recorder, now: func() time.Time { return born.Add(c.after) }}
			key := client.ObjectKeyFromObject(pod)
			result, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key})
			if err != nil || result.RequeueAfter != c.again {
				t.Errorf("got %+v, %v", result, err)
			}
			if err := all.Get(t.Context(), key, pod); err != nil {
				t.Fatal(err)
			}
			if firm := pod.Annotations[v1alpha1.PreemptibleAnnotation] == "false"; firm != c.firm || len(recorder.Events) != 1 && !c.firm {
				t.Errorf("the annotations are %v, and %d events", pod.Annotations, len(recorder.Events))
			}
		})
	}
}
