package podpolicy

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// TestQuickAnswersAreThoseOfCEL draws expressions and pods: what is answered without CEL is what CEL answers, and where CEL fails,
// nothing is answered without it.
func TestQuickAnswersAreThoseOfCEL(t *testing.T) {
	answered := 0
	rapid.Check(t, func(t *rapid.T) {
		text := drawExpression(t, rapid.IntRange(0, 4).Draw(t, "depth"))
		expression, err := compileExpression(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		s := &subject{pod: drawSubject(t), namespace: Namespace{Name: drawKey(t), Labels: drawMap(t)}}
		known := expression.quick.ask(s)
		if known == unknown {
			return
		}
		answered++
		variables, err := s.asVariables()
		if err != nil {
			t.Fatal(err)
		}
		holds, err := expression.holds(t.Context(), variables)
		if err != nil || answerOf(holds) != known {
			t.Fatalf("%s: quick says %v, CEL %v, %v", text, known == yes, holds, err)
		}
	})
	if answered == 0 {
		t.Error("no expression was answered without CEL")
	}
}

// TestCommonExpressionsNeedNoCEL are those of which a cluster has many.
func TestCommonExpressionsNeedNoCEL(t *testing.T) {
	pod := &corev1.Pod{}
	pod.Labels, pod.Spec.SchedulerName = map[string]string{"app": "shop"}, "default-scheduler"
	s := &subject{pod: pod, namespace: Namespace{Name: "team-a"}}
	for text, want := range map[string]answer{
		"true": yes,
		"has(pod.metadata.labels) && 'notebook-name' in pod.metadata.labels":        no,
		"has(pod.metadata.labels) && pod.metadata.labels['app'] == 'shop'":          yes,
		"pod.metadata.?labels[?'app'].orValue('') == 'shop'":                        yes,
		"pod.spec.schedulerName == 'muster' && pod.spec.containers.all(c, c.tty)":   no,
		"pod.spec.schedulerName in ['muster', 'default-scheduler']":                 yes,
		"namespaceObject.metadata.name == 'team-b'":                                 no,
		"!('gpu' in namespaceObject.metadata.labels)":                               yes,
		"pod.metadata.labels['team'] == 'vision'":                                   unknown, // the label is not there: CEL fails
		"'a' in pod.metadata.annotations":                                           unknown,
		"pod.spec.priorityClassName != 'high'":                                      unknown,
		"pod.spec.containers.exists(c, c.name == 'main')":                           unknown,
		"'app' in pod.metadata.labels || pod.spec.containers.exists(c, c.tty)":      yes,
		"'app' in pod.metadata.labels && pod.spec.containers.exists(c, has(c.tty))": unknown,
	} {
		expression, err := compileExpression(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := expression.quick.ask(s); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
}

func drawKey(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "default-scheduler", "muster"}).Draw(t, "key")
}

func drawMap(t *rapid.T) map[string]string {
	if rapid.Bool().Draw(t, "nil") {
		return nil
	}
	m := map[string]string{}
	for range rapid.IntRange(0, 2).Draw(t, "entries") {
		m[drawKey(t)] = drawKey(t)
	}
	return m
}

func drawSubject(t *rapid.T) *corev1.Pod {
	pod := podOf(1)
	pod.Labels, pod.Annotations = drawMap(t), drawMap(t)
	pod.Spec.SchedulerName = rapid.SampledFrom([]string{"", "muster", "default-scheduler"}).Draw(t, "scheduler")
	pod.Spec.PriorityClassName = rapid.SampledFrom([]string{"", "a"}).Draw(t, "class")
	pod.Spec.Hostname = rapid.SampledFrom([]string{"", "b"}).Draw(t, "hostname")
	pod.Spec.RestartPolicy = rapid.SampledFrom([]corev1.RestartPolicy{"", "Always"}).Draw(t, "restart")
	pod.Spec.RuntimeClassName = rapid.SampledFrom([]*string{nil, new(""), new("b")}).Draw(t, "runtime")
	return pod
}

// drawExpression draws one that compiles; many fail for some pods.
func drawExpression(t *rapid.T, depth int) string {
	if depth > 0 {
		switch rapid.SampledFrom([]string{"&&", "||", "!", "leaf"}).Draw(t, "operator") {
		case "&&":
			return "(" + drawExpression(t, depth-1) + " && " + drawExpression(t, depth-1) + ")"
		case "||":
			return "(" + drawExpression(t, depth-1) + " || " + drawExpression(t, depth-1) + ")"
		case "!":
			return "!(" + drawExpression(t, depth-1) + ")"
		}
	}
	of := rapid.SampledFrom([]string{"pod.metadata.labels", "pod.metadata.annotations", "namespaceObject.metadata.labels"}).Draw(t, "map")
	literal := "'" + drawKey(t) + "'"
	other := rapid.SampledFrom([]string{
		literal, "pod.spec.schedulerName", "pod.spec.priorityClassName", "namespaceObject.metadata.name", of + "[" + literal + "]",
		"pod.spec.?hostname.orValue(" + literal + ")", "pod.?spec.?runtimeClassName.orValue('a')", "pod.spec.restartPolicy", "pod.spec.runtimeClassName",
		"pod.?metadata.?labels[?" + literal + "].orValue('b')", "pod.spec.hostname",
		"pod.metadata.?labels[?" + literal + "].orValue('a')", "pod.metadata.?annotations[?'b'].orValue(" + literal + ")",
	}).Draw(t, "text")
	leaf := rapid.SampledFrom([]string{
		"true", "has(MAP)", "KEY in MAP", "TEXT in MAP", "TEXT == KEY", "KEY != TEXT", "TEXT in ['a', 'muster', KEY]",
		"TEXT == MAP[KEY]", "pod.spec.containers.exists(c, c.name == KEY)", "has(pod.spec.hostname)", "has(pod.metadata.name)",
	}).Draw(t, "leaf")
	return strings.NewReplacer("MAP", of, "KEY", literal, "TEXT", other).Replace(leaf)
}
