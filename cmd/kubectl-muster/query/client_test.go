package query

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/gang"
)

// connected is a client of a scheduler that gives that answer.
func connected(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	s := newScheduler(t, answer)
	client, err := Connect(t.Context(), Target{Config: newAPIServer(t).config(), URL: s.URL, CAFile: authorityFile(t, s.Server)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestGang(t *testing.T) {
	want := explain.Gang{
		Namespace: "team-a", Name: "llm", Kind: explain.KindPodGroup, Reason: gang.Unschedulable, Position: 3,
		Reservation: &explain.Reservation{Known: true, Start: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)},
	}
	var asked string
	client := connected(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.RequestURI()
		writeJSON(w, http.StatusOK, want)
	})
	got, err := client.Gang(t.Context(), explain.KindPodGroup, "team-a", "llm")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if asked != "GET /muster/v1alpha1/gangs/team-a/llm?kind=podgroup" {
		t.Errorf("asked %q", asked)
	}
}

func TestWhatIf(t *testing.T) {
	question := explain.Question{
		PodGroup: &podgroupv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{Name: "llm", Namespace: "team-a"}},
		Pods:     []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "llm-0", Namespace: "team-a"}}},
	}
	client := connected(t, func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var got explain.Question
		if err == nil {
			err = json.Unmarshal(raw, &got)
		}
		if diff := cmp.Diff(question, got); err != nil || diff != "" || r.Method != http.MethodPost || r.URL.Path != explain.WhatIfPath {
			t.Errorf("%s %s: %v\n%s", r.Method, r.URL, err, diff)
		}
		writeJSON(w, http.StatusOK, explain.Answer{Verdict: explain.StartsNow})
	})
	answer, err := client.WhatIf(t.Context(), question)
	if err != nil || answer.Verdict != explain.StartsNow {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, body, words string
		status            int
		notFound          bool
	}{
		{"unknown", `{"message":"there is no PodGroup team-a/llm"}`, "there is no PodGroup team-a/llm", http.StatusNotFound, true},
		{"no rights", `{"kind":"Status","message":"forbidden: User \"eve\" cannot get path"}`, `User "eve" cannot get path (the right to`, http.StatusForbidden, false},
		{"nobody", `{"kind":"Status","message":"Unauthorized"}`, "does not accept the credentials", http.StatusUnauthorized, false},
		{"broken", "panic: oh no\nmore", "500 Internal Server Error: panic: oh no", http.StatusInternalServerError, false},
		{"silent", "", "503 Service Unavailable", http.StatusServiceUnavailable, false},
		{"no JSON", "hello", "invalid character", http.StatusOK, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := connected(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			_, err := client.Gang(t.Context(), explain.KindPod, "team-a", "llm")
			if err == nil || !strings.Contains(err.Error(), test.words) || strings.Contains(err.Error(), "more") {
				t.Errorf("the error is not about %q: %v", test.words, err)
			}
			if NotFound(err) != test.notFound {
				t.Errorf("NotFound is %v", !test.notFound)
			}
		})
	}
}
