package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
	"github.com/muster-scheduling/muster/webhooks/pods"
)

const (
	webhookTeams   = 100  // namespaces, each with policies of its own
	webhookPods    = 5000 // are asked about
	webhookCallers = 2    // at a time
	webhookWarmUp  = 200  // that do not count
)

// askWebhook measures how long the webhook for pods takes to answer over TLS, from the first byte of the request to the last of the
// answer, with 1,000 policies and with none. Pods have 1 to 10 containers, every one is changed by some policies, and nothing that the
// webhook needs to know has to be fetched. It fails if an answer is not what it should be.
func askWebhook(ctx context.Context, w workload, seed uint64) (map[string]float64, error) {
	log.SetLogger(klog.Background().V(1)) // as in muster-manager
	values := map[string]float64{}
	for _, c := range []struct {
		name     string
		policies int
	}{{"none", 0}, {"all", w.size}} {
		waits, err := callWebhook(ctx, c.policies, seed)
		if err != nil {
			return nil, err
		}
		slices.Sort(waits)
		values["webhook_p50_"+c.name+"_ms"] = waits[len(waits)/2].Seconds() * 1000
		values["webhook_p99_"+c.name+"_ms"] = waits[len(waits)*99/100].Seconds() * 1000
	}
	values["webhook_ratio"] = values["webhook_p99_all_ms"] / values["webhook_p99_none_ms"]
	return values, nil
}

// callWebhook returns how long each answer took.
func callWebhook(ctx context.Context, policies int, seed uint64) ([]time.Duration, error) {
	handler := &pods.Handler{
		Policies: &pods.Policies{}, Reader: namespaceReader{}, Live: namespaceReader{}, Tell: func(string, *podpolicy.Problem) {},
		Classes:      func() sets.Set[string] { return sets.New("high") },
		QueueClasses: func() map[string]string { return nil },
	}
	for i := range policies {
		p := webhookPolicy(i)
		if err := handler.Policies.Problem(p); err != nil {
			return nil, err
		}
	}
	server := httptest.NewUnstartedServer(&admission.Webhook{Handler: handler})
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	random := rand.New(rand.NewPCG(seed, 1))
	reviews := make([][]byte, 100)
	for i := range reviews {
		var err error
		if reviews[i], err = webhookReview(random.IntN(webhookTeams), 1+random.IntN(10)); err != nil {
			return nil, err
		}
	}
	waits := make([]time.Duration, webhookWarmUp+webhookPods)
	errs := make([]error, webhookCallers)
	var wait sync.WaitGroup
	for caller := range webhookCallers {
		wait.Go(func() {
			for i := caller; i < len(waits) && errs[caller] == nil; i += webhookCallers {
				waits[i], errs[caller] = askOnce(ctx, server, reviews[i%len(reviews)], policies > 0)
			}
		})
	}
	wait.Wait()
	return waits[webhookWarmUp:], errors.Join(errs...)
}

// askOnce puts one review before the webhook.
func askOnce(ctx context.Context, server *httptest.Server, review []byte, changes bool) (time.Duration, error) {
	begin := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, bytes.NewReader(review))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := server.Client().Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask the webhook: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	took := time.Since(begin)
	if err != nil {
		return 0, fmt.Errorf("read the webhook's answer: %w", err)
	}
	answer := &admissionv1.AdmissionReview{}
	if err := json.Unmarshal(body, answer); err != nil {
		return 0, fmt.Errorf("read the webhook's answer: %w", err)
	}
	if !answer.Response.Allowed || (len(answer.Response.Patch) > 0) != changes {
		return 0, fmt.Errorf("the webhook answered %s", body)
	}
	return took, nil
}

// webhookPolicy is one of many, of the sorts that clusters have: by labels, by namespace, by expressions, and by what containers ask for.
func webhookPolicy(i int) *v1alpha1.PodPolicy {
	p := &v1alpha1.PodPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("policy-%04d", i), UID: types.UID(strconv.Itoa(i)), Generation: 1}}
	p.Spec.Order = int32(i)
	team := "team-" + strconv.Itoa(i%webhookTeams)
	match := &p.Spec.Match
	switch i / webhookTeams % 10 {
	case 0, 1, 2: // of the pods of one team
		match.PodSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}}
	case 3, 4: // of one namespace
		match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: team}}
	case 5:
		match.Expression = "has(pod.metadata.labels) && '" + team + "-job' in pod.metadata.labels"
	case 6:
		match.Expression = "namespaceObject.metadata.name == '" + team + "' && pod.spec.schedulerName == 'muster'"
	case 7:
		match.Expression = "pod.metadata.?labels[?'team'].orValue('') == '" + team + "' && pod.spec.containers.exists(c, 'nvidia.com/gpu' in c.?resources.?limits.orValue({}))"
	case 8:
		match.PodSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}}
		match.Expression = "pod.spec.containers.exists(c, c.?image.orValue('').startsWith('registry.example.com/'))"
	case 9:
		match.Expression = "pod.?spec.?runtimeClassName.orValue('') == 'kata-" + strconv.Itoa(i) + "'"
	}
	p.Spec.Set.SchedulerName = &v1alpha1.PodPolicyName{Value: v1alpha1.SchedulerName}
	p.Spec.Set.Env = []v1alpha1.PodPolicyEnv{{Name: fmt.Sprintf("POLICY_%d", i/webhookTeams), Value: team}}
	return p
}

// webhookReview is what the API server sends for a pod of a team.
func webhookReview(team, containers int) ([]byte, error) {
	name := "team-" + strconv.Itoa(team)
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "job-worker-0", Namespace: name, Labels: map[string]string{"team": name, "app": "job"}},
		Spec: corev1.PodSpec{
			SchedulerName: corev1.DefaultSchedulerName, RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: "default",
			DNSPolicy: corev1.DNSClusterFirst, TerminationGracePeriodSeconds: new(int64(30)), SecurityContext: &corev1.PodSecurityContext{},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}},
		},
	}
	for i := range containers {
		c := corev1.Container{
			Name: fmt.Sprintf("c-%d", i), Image: "registry.example.com/team/image:1.0", Command: []string{"python", "-m", "train"},
			Args: []string{"--epochs=10", "--batch-size=256"}, ImagePullPolicy: corev1.PullIfNotPresent,
			TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
			VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			Resources:    corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1"), "cpu": resource.MustParse("4"), "memory": resource.MustParse("16Gi")}},
		}
		for j := range 10 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", j), Value: "some value of some length"})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	raw, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Name: pod.Name, Namespace: name, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
		},
	})
}

// namespaceReader stands for the manager's cache, which holds the namespace of every team.
type namespaceReader struct{ client.Reader }

func (namespaceReader) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	object.SetName(key.Name)
	object.SetLabels(map[string]string{corev1.LabelMetadataName: key.Name})
	return nil
}
