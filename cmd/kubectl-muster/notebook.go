package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
	"github.com/muster-scheduling/muster/cmd/kubectl-muster/kube"
)

// checkNotebook fails unless the notebook has a pod, or is about to get one.
func (s *session) checkNotebook(ctx context.Context, title, name string) error {
	nb := &notebookv1.Notebook{}
	if err := s.cluster.Get(ctx, kube.Notebooks, s.namespace, name, nb); apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no %s", title)
	} else if err != nil {
		return err
	}
	for _, c := range nb.Status.Conditions {
		if c.Type == notebookv1.NotebookDegraded && c.Reason != notebookv1.ReasonInvalidIdleTime {
			return fmt.Errorf("%s is not run as it says: %s", title, c.Message)
		}
	}
	if _, stopped := nb.Annotations[notebookv1.StoppedAnnotation]; stopped {
		return fmt.Errorf("%s is stopped: it has no pod, and waits for its annotation %s to be removed", title, notebookv1.StoppedAnnotation)
	}
	return nil
}
