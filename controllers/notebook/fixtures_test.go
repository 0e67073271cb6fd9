package notebook

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// testConfig is that of the default flags, with culling.
func testConfig() Config {
	return Config{FSGroup: new(int64(100)), CullIdle: true, IdleTime: 24 * time.Hour, CheckPeriod: time.Minute, URL: DefaultURL}
}

// readNotebook reads a Notebook and gives it what the API server does.
func readNotebook(t *testing.T, text string) *notebookv1.Notebook {
	t.Helper()
	nb := &notebookv1.Notebook{}
	if err := yaml.Unmarshal([]byte(text), nb); err != nil {
		t.Fatal(err)
	}
	nb.Namespace, nb.UID, nb.CreationTimestamp = "team", "notebook-uid", metav1.NewTime(noon)
	return nb
}

// plain is a Notebook that sets what has to be set.
func plain(t *testing.T) *notebookv1.Notebook {
	t.Helper()
	return readNotebook(t, `{metadata: {name: nb}, spec: {template: {spec: {containers: [{name: nb, image: jupyter}]}}}}`)
}

// runningPod is the pod of a notebook as the StatefulSet and the kubelet make it.
func runningPod(nb *notebookv1.Notebook, started time.Time) *corev1.Pod {
	set := testConfig().newStatefulSet(nb)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: PodName(nb.Name), Namespace: nb.Namespace, Labels: set.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: nb.Name, UID: "set-uid", Controller: new(true)}},
		},
		Spec: set.Spec.Template.Spec,
		Status: corev1.PodStatus{
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(started)}},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: nb.Name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)}},
			}},
		},
	}
}
