package queues

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// queue is one below a parent, with a guarantee of so many CPUs; "" for none.
func queue(name, parent, cpus string) v1alpha1.Queue {
	q := v1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.QueueSpec{Parent: parent}}
	if cpus != "" {
		q.Spec.Guarantee = map[corev1.ResourceName]resource.Quantity{corev1.ResourceCPU: resource.MustParse(cpus)}
	}
	return q
}

func TestJudgeTree(t *testing.T) {
	tree := []v1alpha1.Queue{queue("top", "", "4"), queue("a", "top", "2"), queue("b", "top", "2"), queue("leaf", "a", "")}
	greedy := append([]v1alpha1.Queue{queue("greedy", "top", "500m")}, tree...)
	busy := append([]v1alpha1.Queue{queue("busy", "", "")}, tree...)
	busy[0].Status.PendingGangs = 3
	for name, c := range map[string]struct {
		all     []v1alpha1.Queue
		queue   v1alpha1.Queue
		fault   string
		warning string
	}{
		"fits":                                     {tree, queue("c", "top", ""), "", ""},
		"the same again":                           {tree, queue("a", "top", "2"), "", ""},
		"a circle":                                 {tree, queue("top", "leaf", "4"), "is its own ancestor", ""},
		"more than the parent":                     {tree, queue("c", "top", "1m"), "but the queues in it 4.001 together", ""},
		"less than the parts":                      {tree, queue("top", "", "3"), "guarantees 3 cpu, but the queues in it 4 together", ""},
		"a parent that is yet to come":             {tree, queue("c", "nowhere", ""), "", "does not exist"},
		"moved below one that is to come":          {tree, queue("a", "nowhere", "2"), "", "the parent of queue a"},
		"another mistake is there, and left":       {greedy, queue("a", "top", "2"), "", ""},
		"another mistake is there, and lessened":   {greedy, queue("top", "", "4500m"), "", ""},
		"another mistake is there, and made worse": {greedy, queue("b", "top", "3"), "the queues in it 5.5 together", ""},
		"gangs lose their place":                   {busy, queue("c", "busy", ""), "", "queue busy has 3 gangs"},
	} {
		t.Run(name, func(t *testing.T) {
			fault, warnings := judgeTree(&c.queue, c.all)
			if c.fault == "" && fault != "" || !strings.Contains(fault, c.fault) {
				t.Errorf("fault %q, want %q", fault, c.fault)
			}
			if all := strings.Join(warnings, "; "); c.warning == "" && all != "" || !strings.Contains(all, c.warning) {
				t.Errorf("warnings %q, want %q", all, c.warning)
			}
		})
	}
}

// A gang is in the queue that its PodGroup names, or its pod, or its namespace, or else in the default one.
func TestDeletionLooksForGangs(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, podgroupv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	in := func(queue string) map[string]string { return map[string]string{v1alpha1.QueueLabel: queue} }
	member := func(name, namespace string, labels map[string]string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: labels},
			Spec:       corev1.PodSpec{SchedulerName: v1alpha1.SchedulerName},
		}
	}
	ended := member("ended", "plain", in("ended"))
	ended.Status.Phase = corev1.PodSucceeded
	elsewhere := member("elsewhere", "plain", in("elsewhere"))
	elsewhere.Spec.SchedulerName = corev1.DefaultSchedulerName
	parent, part := queue("parent", "", ""), queue("part", "parent", "")
	objects := []client.Object{
		&parent, &part,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "plain"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "own", Labels: in("of-namespace")}},
		&podgroupv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{Name: "gang", Namespace: "own", Labels: in("of-group")}},
		member("grouped", "own", map[string]string{v1alpha1.PodGroupLabel: "gang", v1alpha1.QueueLabel: "of-pod-of-group"}),
		member("labelled", "own", in("of-pod")), member("silent", "own", nil), member("nobody's", "plain", nil), ended, elsewhere,
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{List: listPods}).Build()
	h := &Handler{Reader: c, Live: c, Decoder: admission.NewDecoder(scheme)}
	for name, says := range map[string]string{
		"of-group": "pod own/grouped", "of-pod": "pod own/labelled", "of-namespace": "pod own/silent", "default": "pod plain/nobody's",
		"of-pod-of-group": "", "ended": "", "elsewhere": "", "part": "", "parent": "first: part",
	} {
		old, err := json.Marshal(queue(name, "", ""))
		if err != nil {
			t.Fatal(err)
		}
		response := h.Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
			Operation: admissionv1.Delete, OldObject: runtime.RawExtension{Raw: old}, // the name is missing when all are deleted at once
		}})
		if response.Allowed != (says == "") || says != "" && !strings.Contains(response.Result.Message, says) {
			t.Errorf("deleting %s: %+v, want %q", name, response, says)
		}
	}
}

// listPods lists the metadata of pods by fields, as the API server does; the fake client takes no selectors of fields that have to differ.
func listPods(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	metadata, ok := list.(*metav1.PartialObjectMetadataList)
	if !ok || metadata.Kind != "PodList" {
		return c.List(ctx, list, options...)
	}
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods); err != nil {
		return err
	}
	selected := (&client.ListOptions{}).ApplyOptions(options).FieldSelector
	for _, pod := range pods.Items {
		if selected.Matches(fields.Set{"spec.schedulerName": pod.Spec.SchedulerName, "status.phase": string(pod.Status.Phase)}) {
			metadata.Items = append(metadata.Items, metav1.PartialObjectMetadata{ObjectMeta: pod.ObjectMeta})
		}
	}
	return nil
}
