package query

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/server/mux"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/plugins/state"
)

// podOf is what a client sends: no more than a person would write.
func podOf(group, name string) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	pod.Spec.SchedulerName = schedulingv1alpha1.SchedulerName
	pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "i", Resources: corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
	}}}
	if group != "" {
		pod.Labels = map[string]string{schedulingv1alpha1.PodGroupLabel: group}
	}
	return pod
}

func groupOf(name string) *podgroupv1alpha1.PodGroup {
	return &podgroupv1alpha1.PodGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Spec: podgroupv1alpha1.PodGroupSpec{MinMember: 2},
	}
}

// served is an endpoint over a registry with one gang that waits for its second pod.
func served(t *testing.T, open bool, whatIf WhatIf) *mux.PathRecorderMux {
	t.Helper()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	registry := state.NewRegistry(func() time.Time { return now }, dispatch.Options{})
	registry.SetPodGroup(groupOf("g"))
	pod := podOf("g", "p")
	pod.UID = "p"
	registry.SetPod(&pod)
	registry.Changed()
	if open {
		registry.Open()
	}
	paths := mux.NewPathRecorderMux("test")
	New(&state.Store{Registry: registry}, whatIf).Install(paths)
	return paths
}

func refused(context.Context, explain.Question) (explain.Answer, error) {
	return explain.Answer{}, errors.New("the engine is broken")
}

// ask returns the status and the body of an answer.
func ask(t *testing.T, handler http.Handler, method, path, body string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	if kind := recorder.Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("%s %s is answered by %s, want JSON", method, path, kind)
	}
	return recorder.Code, recorder.Body.String()
}

func TestGangsAndQueues(t *testing.T) {
	handler := served(t, true, refused)
	for _, path := range []string{"ns/g", "ns/g?kind=podgroup", "ns/p?kind=pod"} {
		status, body := ask(t, handler, http.MethodGet, explain.GangsPath+path, "")
		var g explain.Gang
		if err := json.Unmarshal([]byte(body), &g); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s (%v)", path, status, body, err)
		}
		if g.Name != "g" || g.Kind != explain.KindPodGroup || g.Reason != gang.WaitingForMembers || g.Members != 1 {
			t.Errorf("%s: %+v", path, g)
		}
	}
	status, body := ask(t, handler, http.MethodGet, explain.QueuesPath, "")
	var queues explain.Queues
	if err := json.Unmarshal([]byte(body), &queues); err != nil || status != http.StatusOK {
		t.Fatalf("queues: %d %s (%v)", status, body, err)
	}
	if len(queues.Queues) != 1 || queues.Queues[0].Name != "default" || queues.Queues[0].Pending != 1 || queues.Queues[0].Reasons[gang.WaitingForMembers] != 1 {
		t.Errorf("queues are %+v", queues)
	}
}

func TestRefusals(t *testing.T) {
	leads, stands := served(t, true, refused), served(t, false, refused)
	late := served(t, true, func(context.Context, explain.Question) (explain.Answer, error) {
		return explain.Answer{}, context.DeadlineExceeded
	})
	good := question(t, explain.Question{Pods: []corev1.Pod{podOf("", "p")}})
	for _, tc := range []struct {
		name         string
		handler      http.Handler
		method, path string
		body         string
		status       int
		says         string
	}{
		{"unknown gang", leads, "GET", explain.GangsPath + "ns/other", "", 404, "knows no podgroup ns/other"},
		{"unknown pod", leads, "GET", explain.GangsPath + "ns/g?kind=pod", "", 404, "knows no pod ns/g"},
		{"no name", leads, "GET", explain.GangsPath + "ns", "", 404, "NAMESPACE/NAME"},
		{"empty name", leads, "GET", explain.GangsPath + "ns/", "", 404, "NAMESPACE/NAME"},
		{"too many parts", leads, "GET", explain.GangsPath + "ns/g/x", "", 404, "NAMESPACE/NAME"},
		{"unknown kind", leads, "GET", explain.GangsPath + "ns/g?kind=job", "", 400, `not "job"`},
		{"wrong method", leads, "POST", explain.QueuesPath, "", 405, "takes GET"},
		{"reading a question", leads, "GET", explain.WhatIfPath, "", 405, "takes POST"},
		{"another replica leads", stands, "GET", explain.QueuesPath, "", 503, "does not lead"},
		{"no JSON", leads, "POST", explain.WhatIfPath, "pods: []", 400, "reading the question"},
		{"no pods", leads, "POST", explain.WhatIfPath, "{}", 400, "has no pods"},
		{"too large", leads, "POST", explain.WhatIfPath, `{"pods":"` + strings.Repeat("x", maxQuestion) + `"}`, 413, "too large"},
		{"engine fails", leads, "POST", explain.WhatIfPath, good, 500, "the engine is broken"},
		{"deadline", late, "POST", explain.WhatIfPath, good, 503, "deadline"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body := ask(t, tc.handler, tc.method, tc.path, tc.body)
			var refusal explain.Error
			if err := json.Unmarshal([]byte(body), &refusal); err != nil {
				t.Fatalf("%q is no Error: %v", body, err)
			}
			if status != tc.status || !strings.Contains(refusal.Message, tc.says) {
				t.Errorf("%d %q, want %d and %q", status, refusal.Message, tc.status, tc.says)
			}
		})
	}
}

func question(t *testing.T, q explain.Question) string {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestAQuestionIsCompleted(t *testing.T) {
	var got explain.Question
	handler := served(t, true, func(_ context.Context, q explain.Question) (explain.Answer, error) {
		got = q
		return explain.Answer{Verdict: explain.Later}, nil
	})
	running := podOf("g", "b")
	running.OwnerReferences = []metav1.OwnerReference{{APIVersion: "kubeflow.org/v1", Kind: "PyTorchJob", Name: "g"}} // Without a UID: it does not exist.
	running.UID, running.Spec.NodeName, running.Status.Phase = "real", "n", corev1.PodRunning
	status, body := ask(t, handler, http.MethodPost, explain.WhatIfPath,
		question(t, explain.Question{PodGroup: groupOf("g"), Pods: []corev1.Pod{podOf("g", "a"), running}}))
	if status != http.StatusOK || !strings.Contains(body, `"later"`) {
		t.Fatalf("%d %s", status, body)
	}
	seen := map[string]bool{}
	for _, pod := range got.Pods {
		if seen[string(pod.UID)] || pod.UID == "real" || pod.UID == "" {
			t.Errorf("pod %s has the UID %q of another", pod.Name, pod.UID)
		}
		seen[string(pod.UID)] = true
		if pod.Spec.NodeName != "" || pod.Status.Phase != corev1.PodPending {
			t.Errorf("pod %s runs on %q", pod.Name, pod.Spec.NodeName)
		}
		if cpu := pod.Spec.Containers[0].Resources.Requests.Cpu(); cpu.Value() != 2 {
			t.Errorf("pod %s asks for %s CPUs, want its limit", pod.Name, cpu)
		}
	}
}

func TestQuestionsThatNoAPIServerWouldPass(t *testing.T) {
	for name, spoil := range map[string]func(*explain.Question){
		"negative amount": func(q *explain.Question) {
			q.Pods[1].Spec.Containers[0].Resources.Limits["cpu"] = resource.MustParse("-1")
		},
		"affinity without terms": func(q *explain.Question) {
			q.Pods[1].Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{}}}
		},
		"bad selector": func(q *explain.Question) {
			q.Pods[1].Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: "x", WhenUnsatisfiable: corev1.DoNotSchedule,
				LabelSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}},
			}}
		},
		"no containers":     func(q *explain.Question) { q.Pods[0].Spec.Containers = nil },
		"no name":           func(q *explain.Question) { q.Pods[0].Name = "" },
		"another namespace": func(q *explain.Question) { q.Pods[0].Namespace = "other" },
		"no PodGroup":       func(q *explain.Question) { q.PodGroup = nil },
		"nameless PodGroup": func(q *explain.Question) { q.PodGroup.Name = "" },
	} {
		t.Run(name, func(t *testing.T) {
			q := explain.Question{PodGroup: groupOf("g"), Pods: []corev1.Pod{podOf("g", "a"), podOf("g", "b")}}
			spoil(&q)
			if err := prepare(&q); err == nil {
				t.Error("it passed")
			}
		})
	}
}
