package pods

import (
	"encoding/json"
	"fmt"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"pgregory.net/rapid"
)

// TestPatchMakesThePod draws pods that differ in what policies change. The patch makes one of the other, and leaves a field that
// these types do not know.
func TestPatchMakesThePod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawPod(t)
		after := before.DeepCopy()
		change(t, after)
		raw := withUnknown(t, before)
		text, err := patch(before, after)
		if err != nil {
			t.Fatal(err)
		}
		operations, err := jsonpatch.DecodePatch(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		result, err := operations.Apply(raw)
		if err != nil {
			t.Fatalf("%s\non %s: %v", text, raw, err)
		}
		got, unknown := &corev1.Pod{}, struct {
			Spec struct{ Unheard string }
		}{}
		if err := json.Unmarshal(result, got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(result, &unknown); err != nil {
			t.Fatal(err)
		}
		if !equality.Semantic.DeepEqual(got, after) || unknown.Spec.Unheard != "of" {
			t.Fatalf("%s\nmakes %s\nof %s", text, result, raw)
		}
	})
}

// withUnknown is a pod as an API server sends it that is newer, and that leaves out what is empty.
func withUnknown(t *rapid.T, pod *corev1.Pod) []byte {
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	fields["spec"].(map[string]any)["unheard"] = "of"
	for _, c := range fields["spec"].(map[string]any)["containers"].([]any) {
		if c := c.(map[string]any); len(c["resources"].(map[string]any)) == 0 {
			delete(c, "resources")
		}
	}
	if raw, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return raw
}

func drawPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Name = "pod"
	for i := range rapid.IntRange(1, 3).Draw(t, "containers") {
		c := corev1.Container{Name: fmt.Sprintf("c-%d", i)}
		for j := range rapid.IntRange(0, 2).Draw(t, "variables") {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("E_%d", j), Value: drawWord(t)})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	change(t, pod)
	return pod
}

func drawWord(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "a", "example.com/a~b", "ü"}).Draw(t, "word")
}

// change does some of what policies do.
func change(t *rapid.T, pod *corev1.Pod) {
	for _, what := range rapid.SliceOfN(rapid.SampledFrom([]string{"label", "annotation", "scheduler", "priority", "env", "mount", "toleration", "limits"}), 0, 4).Draw(t, "changes") {
		c := &pod.Spec.Containers[rapid.IntRange(0, len(pod.Spec.Containers)-1).Draw(t, "container")]
		switch what {
		case "label":
			pod.Labels = map[string]string{"k/" + drawWord(t): drawWord(t), "x": drawWord(t)}
		case "annotation":
			pod.Annotations = map[string]string{drawWord(t): drawWord(t)}
		case "scheduler":
			pod.Spec.SchedulerName = drawWord(t)
		case "priority":
			pod.Spec.PriorityClassName, pod.Spec.Priority = drawWord(t), nil
		case "env":
			if len(c.Env) > 0 && rapid.Bool().Draw(t, "replace") {
				c.Env[0] = corev1.EnvVar{Name: c.Env[0].Name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}
			} else {
				c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("E_%d", len(c.Env)), Value: drawWord(t)})
			}
		case "mount":
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "shm", MountPath: "/dev/shm"})
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprintf("v-%d", len(pod.Spec.Volumes)), VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: "Memory"}}})
		case "toleration":
			pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{Key: drawWord(t), Operator: corev1.TolerationOpExists})
		case "limits":
			c.Resources.Requests = corev1.ResourceList{}
			c.Resources.Claims = []corev1.ResourceClaim{{Name: drawWord(t)}}
		}
	}
}
