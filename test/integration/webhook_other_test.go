package integration

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"

	admissionreviewv1 "k8s.io/api/admission/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sidecars is a webhook of somebody else: it adds a container to the pods of the test's namespace, after ours was asked.
func (e *env) sidecars() {
	e.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionreviewv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Response = &admissionreviewv1.AdmissionResponse{
			UID: review.Request.UID, Allowed: true, PatchType: new(admissionreviewv1.PatchTypeJSONPatch),
			Patch: []byte(`[{"op": "add", "path": "/spec/containers/-", "value": {"name": "sidecar", "image": "none"}}]`),
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(review); err != nil {
			e.Error(err)
		}
	}))
	e.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	e.create(&admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "sidecars-of-" + e.namespace}, // after "muster"
		Webhooks: []admissionv1.MutatingWebhook{{
			Name: "sidecars.example.com", ClientConfig: admissionv1.WebhookClientConfig{URL: &server.URL, CABundle: ca},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			NamespaceSelector:  &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": e.namespace}},
			ReinvocationPolicy: new(admissionv1.NeverReinvocationPolicy),
			SideEffects:        new(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
		}},
	})
}
