package pods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
)

// newHandler has the policies, in a cluster with the namespace "old" in its cache, and "new" beside it.
func newHandler(t *testing.T, look Look, policies ...*v1alpha1.PodPolicy) *Handler {
	t.Helper()
	h := &Handler{
		Policies: &Policies{}, Look: look, Classes: func() sets.Set[string] { return nil }, QueueClasses: func() map[string]string { return nil },
		Reader: fake.NewClientBuilder().WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "old"}}).Build(),
		Live:   fake.NewClientBuilder().WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "new", Labels: map[string]string{"team": "a"}}}).Build(),
		Tell:   func(pod string, problem *podpolicy.Problem) { t.Errorf("pod %s: %v", pod, problem) },
	}
	for _, p := range policies {
		h.Policies.Set(p)
	}
	return h
}

// naming sets the scheduler on pods that an expression picks.
func naming(name, expression string) *v1alpha1.PodPolicy {
	p := &v1alpha1.PodPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}}
	p.Spec.Match.Expression = expression
	p.Spec.Set.SchedulerName = &v1alpha1.PodPolicyName{Value: "muster"}
	return p
}

func ask(t *testing.T, h *Handler, namespace string, edit func(*admission.Request)) string {
	t.Helper()
	raw, err := json.Marshal(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "pod-"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}})
	if err != nil {
		t.Fatal(err)
	}
	request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Namespace: namespace, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
	}}
	if edit != nil {
		edit(&request)
	}
	response := h.Handle(t.Context(), request)
	if !response.Allowed {
		t.Errorf("the pod was refused: %+v", response)
	}
	return string(response.Patch)
}

func TestHandle(t *testing.T) {
	all := naming("all", "true")
	ofTeam := naming("team", "namespaceObject.metadata.labels['team'] == 'a'")
	for name, c := range map[string]struct {
		policy    *v1alpha1.PodPolicy
		namespace string
		edit      func(*admission.Request)
		changes   bool
	}{
		"a pod":                           {all, "old", nil, true},
		"of a namespace that is new":      {ofTeam, "new", nil, true},
		"of a namespace that is not":      {all, "none", nil, false},
		"what is no pod":                  {all, "old", func(r *admission.Request) { r.Object.Raw = []byte(`{"spec": 7}`) }, false},
		"an update":                       {all, "old", func(r *admission.Request) { r.Operation = admissionv1.Update }, false},
		"an ephemeral container":          {all, "old", func(r *admission.Request) { r.SubResource = "ephemeralcontainers" }, false},
		"a policy that cannot be applied": {naming("broken", "size("), "old", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			patch := ask(t, newHandler(t, nil, c.policy), c.namespace, c.edit)
			if strings.Contains(patch, `"/spec/schedulerName","value":"muster"`) != c.changes || !c.changes && patch != "" {
				t.Errorf("got the patch %s", patch)
			}
		})
	}
}

// Only what policies that match want to know is looked for, and what goes wrong then is not the pod's fault.
func TestHandleLooksAround(t *testing.T) {
	inheriting := naming("inheriting", "true")
	inheriting.Spec.Set.Queue = &v1alpha1.PodPolicyInherited{Inherit: true}
	looks := 0
	look := func(_ context.Context, pod *corev1.Pod, wants podpolicy.Wants, around *podpolicy.Surroundings) error {
		looks++
		if !wants.Workload || wants.Firm || pod.Namespace != "old" {
			t.Errorf("looked for %+v of a pod in %s", wants, pod.Namespace)
		}
		around.Workload = &podpolicy.Workload{Queue: "q"}
		return nil
	}
	if patch := ask(t, newHandler(t, look, inheriting), "old", nil); !strings.Contains(patch, `"scheduling.muster.dev/queue":"q"`) || looks != 1 {
		t.Errorf("after %d looks the patch is %s", looks, patch)
	}
	if ask(t, newHandler(t, look, naming("plain", "true")), "old", nil); looks != 1 {
		t.Error("looked around for nobody")
	}
	blind := func(context.Context, *corev1.Pod, podpolicy.Wants, *podpolicy.Surroundings) error {
		return errors.New("nobody answers")
	}
	if patch := ask(t, newHandler(t, blind, inheriting), "old", nil); !strings.Contains(patch, `"value":"muster"`) {
		t.Errorf("without a look the patch is %s", patch)
	}
}

// Pods are judged while policies come and go.
func TestPoliciesChangeMeanwhile(t *testing.T) {
	h := newHandler(t, nil, naming("first", "true"))
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for n := range 50 {
				p := naming(fmt.Sprintf("p-%d", i), "true")
				p.Generation = int64(n)
				h.Policies.Set(p)
				ask(t, h, "old", nil)
				h.Policies.Delete(p.Name)
			}
		})
	}
	wait.Wait()
	if current := h.Policies.Current(); len(current) != 1 {
		t.Errorf("%d policies are left", len(current))
	}
}
