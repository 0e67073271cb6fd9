package pods

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
)

// Validator refuses PodPolicies that could be followed for no pod. What comes past it is told on the policy's status. It may be used
// concurrently.
type Validator struct {
	// Classes returns the names of all PriorityClasses. The set is only read.
	Classes func() sets.Set[string]

	// Decoder reads what the API server sends.
	Decoder admission.Decoder
}

// Handle allows a PodPolicy, or says why it cannot be followed.
func (v *Validator) Handle(_ context.Context, request admission.Request) admission.Response {
	policy := &v1alpha1.PodPolicy{}
	if err := v.Decoder.Decode(request, policy); err != nil {
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("decode the PodPolicy: %w", err))
	}
	if policy.DeletionTimestamp != nil { // only its finalizers matter any more
		return admission.Allowed("")
	}
	if _, err := podpolicy.Compile(policy); err != nil {
		return admission.Denied(err.Error())
	}
	if class := policy.Spec.Set.PriorityClassName; class != nil && class.Value != "" && !v.Classes().Has(class.Value) {
		return admission.Allowed("").WithWarnings(fmt.Sprintf("there is no PriorityClass %q: no priority is set until there is", class.Value))
	}
	return admission.Allowed("")
}
