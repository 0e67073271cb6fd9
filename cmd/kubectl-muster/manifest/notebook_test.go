package manifest

import (
	"os"
	"strings"
	"testing"
)

func TestNotebook(t *testing.T) {
	text, err := os.ReadFile("../../../examples/notebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"v1", "v1beta1", "v1alpha1"} {
		manifest := strings.Replace(string(text), "kubeflow.org/v1\n", "kubeflow.org/"+version+"\n", 1)
		gangs, notes, err := Gangs([]byte(manifest), "ns")
		if err != nil || len(notes) > 0 || len(gangs) != 1 {
			t.Fatalf("%s: %v, %q, %v", version, gangs, notes, err)
		}
		pod := gangs[0].Question.Pods[0]
		if gangs[0].Title != "Pod ns/jupyter-0" || pod.Spec.SchedulerName != "muster" || pod.Spec.Containers[0].Resources.Limits.Cpu().Value() != 4 {
			t.Errorf("%s: %+v", version, gangs[0])
		}
	}
	_, _, err = Gangs([]byte("apiVersion: kubeflow.org/v1\nkind: Notebook\nmetadata: {name: nb}"), "ns")
	if err == nil || !strings.Contains(err.Error(), "notebook nb is not valid: spec.template.spec.containers") {
		t.Errorf("an empty notebook: %v", err)
	}
}
