package notebook

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// Preview returns the pod that a new notebook would get, also if it is stopped. Its namespace and name must be set; it is
// not changed. It fails on a notebook that the controller would not run, with what the controller would say.
func Preview(config Config, nb *notebookv1.Notebook) (*corev1.Pod, error) {
	if p := validate(nb); p != nil {
		return nil, fmt.Errorf("notebook %s is not valid: %s", nb.Name, p.message)
	}
	template := config.podTemplate(nb)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: PodName(nb.Name), Namespace: nb.Namespace, Labels: template.Labels, Annotations: template.Annotations},
		Spec:       template.Spec,
	}
	return pod, nil
}
