package integration

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// verdict is what a bindingGate does with the binding of a pod.
type verdict int

const (
	allow verdict = iota
	refuse
	hold // until the gate decides otherwise
)

// bindingGate is an admission webhook that decides about every binding in a test's namespace.
type bindingGate struct {
	mu      sync.Mutex
	changed chan struct{}
	decide  func(pod string) verdict
	asked   map[string]int
}

// gateBindings puts a gate before the bindings of the test's namespace and returns once the API server asks it.
func (e *env) gateBindings(decide func(pod string) verdict) *bindingGate {
	e.Helper()
	g := &bindingGate{decide: everything(allow), changed: make(chan struct{}), asked: map[string]int{}}
	server := httptest.NewTLSServer(g)
	e.Cleanup(func() {
		g.set(func(string) verdict { return allow })
		server.Close()
	})
	fail, none := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	patience := int32(30)
	hook := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "bindings-of-" + e.namespace},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "bindings.test.muster.dev",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL:      &server.URL,
				CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods/binding"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: e.namespace}},
			FailurePolicy:           &fail,
			SideEffects:             &none,
			TimeoutSeconds:          &patience,
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
	e.do(e.client.Create(e.Context(), hook))
	e.Cleanup(func() {
		if err := e.client.Delete(context.Background(), hook); err != nil {
			e.Errorf("removing the gate: %v", err)
		}
	})
	probe := pod("gate-probe", "", cpu(0), func(p *corev1.Pod) { p.Spec.SchedulerName = "nobody" })
	e.create(probe)
	e.eventually("the API server asks the gate", func(ctx context.Context) (bool, string) {
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: probe.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: "nowhere"}}
		err := e.clients.CoreV1().Pods(e.namespace).Bind(ctx, binding, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return g.count(probe.Name) > 0, fmt.Sprint(err)
	})
	e.do(e.client.Delete(e.Context(), probe, client.GracePeriodSeconds(0)))
	g.set(decide)
	return g
}

// set changes what the gate decides, for bindings that it holds too.
func (g *bindingGate) set(decide func(pod string) verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decide = decide
	close(g.changed)
	g.changed = make(chan struct{})
}

// count is how many bindings of a pod have come to the gate.
func (g *bindingGate) count(pod string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[pod]
}

// ServeHTTP answers an admission review.
func (g *bindingGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	review := admissionv1.AdmissionReview{}
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, fmt.Sprintf("reading the review: %v", err), http.StatusBadRequest)
		return
	}
	allowed, ended := g.wait(r.Context(), review.Request.Name)
	if ended {
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: allowed}
	if !allowed {
		review.Response.Result = &metav1.Status{Message: "the gate refuses this binding", Code: http.StatusForbidden}
	}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(review); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// wait returns what becomes of the binding of a pod, or that nobody waits for the answer any more.
func (g *bindingGate) wait(ctx context.Context, pod string) (allowed, ended bool) {
	g.mu.Lock()
	g.asked[pod]++
	for {
		decision, changed := g.decide(pod), g.changed
		g.mu.Unlock()
		if decision != hold {
			return decision == allow, false
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false, true
		}
		g.mu.Lock()
	}
}

// anyOf decides in one way about some pods and allows all others.
func anyOf(v verdict, names ...string) func(string) verdict {
	chosen := map[string]bool{}
	for _, name := range names {
		chosen[name] = true
	}
	return func(pod string) verdict {
		if chosen[pod] {
			return v
		}
		return allow
	}
}

func everything(v verdict) func(string) verdict { return func(string) verdict { return v } }

// bind binds a pod by hand, as a scheduler does that was killed right after.
func (e *env) bind(pod, node string) {
	e.Helper()
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod}, Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	e.do(e.clients.CoreV1().Pods(e.namespace).Bind(e.Context(), binding, metav1.CreateOptions{}))
}

// eventuallyAsked waits until the gate has seen the bindings of all pods.
func (e *env) eventuallyAsked(g *bindingGate, pods ...string) {
	e.Helper()
	e.eventually(fmt.Sprintf("the bindings of %v are under way", pods), func(context.Context) (bool, string) {
		for _, pod := range pods {
			if g.count(pod) == 0 {
				return false, pod + " is not"
			}
		}
		return true, ""
	})
}

// eventuallyAskedAgain waits until the gate sees another binding of the pod.
func (e *env) eventuallyAskedAgain(g *bindingGate, pod string) {
	e.Helper()
	before := g.count(pod)
	e.eventually("the scheduler tries again to bind "+pod, func(context.Context) (bool, string) {
		return g.count(pod) > before, "it does not"
	})
}
