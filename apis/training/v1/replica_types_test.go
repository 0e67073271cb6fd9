package v1

import (
	"encoding/json"
	"strings"
	"testing"
)

// One malformed template must not keep anybody from reading the list that it is in.
func TestAMalformedTemplateIsReadable(t *testing.T) {
	var list TFJobList
	err := json.Unmarshal([]byte(`{"items": [
		{"metadata": {"name": "bad"}, "spec": {"tfReplicaSpecs": {"Worker": {"replicas": 2, "restartPolicy": "Never", "template": {"spec": {"containers": "x"}}}}}},
		{"metadata": {"name": "good"}, "spec": {"tfReplicaSpecs": {"Worker": {"template": {"spec": {"containers": [{"name": "tensorflow"}]}}}, "PS": {}}}}
	]}`), &list)
	if err != nil {
		t.Fatal(err)
	}
	bad, good := list.Items[0].Spec.TFReplicaSpecs["Worker"], list.Items[1].Spec.TFReplicaSpecs["Worker"]
	if *bad.Replicas != 2 || bad.RestartPolicy != RestartPolicyNever || !strings.Contains(bad.TemplateError, "cannot unmarshal") {
		t.Errorf("bad: %+v", bad)
	}
	if good.TemplateError != "" || good.Template.Spec.Containers[0].Name != "tensorflow" {
		t.Errorf("good: %+v", good)
	}
	copied := bad.DeepCopy()
	if copied.TemplateError != bad.TemplateError {
		t.Error("the error is lost in a copy")
	}
	text, err := json.Marshal(bad)
	if err != nil || strings.Contains(string(text), "unmarshal") {
		t.Errorf("the error is stored: %s, %v", text, err)
	}
}

func TestAReplicaSpecThatIsNone(t *testing.T) {
	var spec ReplicaSpec
	if err := json.Unmarshal([]byte(`{"replicas": "many"}`), &spec); err == nil {
		t.Error("no error for replicas that are no number")
	}
}
