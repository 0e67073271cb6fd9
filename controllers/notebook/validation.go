package notebook

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// maxNameLength is how long a notebook's name may be: its pod has a label of 63 characters at most with the name of the
// StatefulSet's revision, which is the StatefulSet's name, a dash and a hash of 10 characters.
const maxNameLength = validation.LabelValueMaxLength - 11

// problem is what keeps a notebook from being run as its spec says.
type problem struct {
	reason  string
	message string
}

// validate returns what makes it impossible to run the notebook, or nil. The rules for names are in the CRD too; they are
// checked again because a notebook may be older than the CRD.
func validate(nb *notebookv1.Notebook) *problem {
	if over := len(nb.Name) - maxNameLength; over > 0 {
		return &problem{notebookv1.ReasonInvalidName, fmt.Sprintf(
			"metadata.name is too long by %d: the StatefulSet and the labels of its pod are named after it, and allow %d characters", over, maxNameLength)}
	}
	for _, msg := range validation.IsDNS1035Label(nb.Name) {
		return &problem{notebookv1.ReasonInvalidName, "metadata.name: " + msg + " (the Service is named after it)"}
	}
	template := nb.Spec.Template
	if template.SpecError != "" {
		return &problem{notebookv1.ReasonInvalidTemplate, "spec.template.spec is not the spec of a pod: " + template.SpecError}
	}
	if len(template.Spec.Containers) == 0 {
		return &problem{notebookv1.ReasonInvalidTemplate, "spec.template.spec.containers: at least one container is needed; the first is the notebook's server"}
	}
	for i, c := range template.Spec.Containers {
		if c.Image == "" {
			return &problem{notebookv1.ReasonInvalidTemplate, fmt.Sprintf("spec.template.spec.containers[%d].image: container %q has no image", i, c.Name)}
		}
	}
	return nil
}
