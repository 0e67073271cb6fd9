package queues

import (
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Setup returns the webhook for Queues.
func Setup(m manager.Manager) http.Handler {
	return &admission.Webhook{Handler: &Handler{
		Reader: m.GetClient(), Live: m.GetAPIReader(), Decoder: admission.NewDecoder(m.GetScheme()),
	}}
}
