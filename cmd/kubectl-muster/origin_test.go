package main

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
	"github.com/muster-scheduling/muster/internal/workload"
)

const policiesPath = "/apis/scheduling.muster.dev/v1alpha1/podpolicies"

// policy is a PodPolicy for all pods; not ready unless the message is empty.
func policy(name, message string, set schedulingv1alpha1.PodPolicySettings) schedulingv1alpha1.PodPolicy {
	p := schedulingv1alpha1.PodPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Match.Expression, p.Spec.Set = "true", set
	if message != "" {
		p.Status.Conditions = []metav1.Condition{{Type: schedulingv1alpha1.PodPolicyReady, Status: metav1.ConditionFalse,
			Reason: schedulingv1alpha1.ReasonNoPriorityClass, Message: message}}
	}
	return p
}

// grouped is the PodGroup llm-1 that was made for the Job llm.
func grouped() podgroupv1alpha1.PodGroup {
	group := podgroupv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{Name: "llm-1", Namespace: "team-a", Annotations: map[string]string{
		schedulingv1alpha1.WorkloadAnnotation:        workload.Ref{APIVersion: "batch/v1", Kind: "Job", Name: "llm", UID: "u-1"}.String(),
		schedulingv1alpha1.MinMemberReasonAnnotation: "spec.parallelism 2",
	}}}
	group.Spec.MinMember = 2
	return group
}

// The annotation is read as policies write it.
func TestExplainTellsWhatPoliciesDid(t *testing.T) {
	policies := []schedulingv1alpha1.PodPolicy{
		policy("muster-gang", "", schedulingv1alpha1.PodPolicySettings{Gang: schedulingv1alpha1.FromWorkload,
			SchedulerName: &schedulingv1alpha1.PodPolicyName{Value: "muster"}}),
		policy("urgent", "there is no PriorityClass \"urgent\"", schedulingv1alpha1.PodPolicySettings{PriorityClassName: &schedulingv1alpha1.PodPolicyInherited{Value: "urgent"}}),
		policy("unrelated", "never mind", schedulingv1alpha1.PodPolicySettings{}),
	}
	var compiled []*podpolicy.Policy
	for i := range policies[:2] {
		p, err := podpolicy.Compile(&policies[i])
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, p)
	}
	pod := podpolicy.Apply(t.Context(), &corev1.Pod{}, podpolicy.Surroundings{
		Workload: &podpolicy.Workload{Gang: &podpolicy.Gang{PodGroup: "llm-1", Kind: "job", Workload: "{}"}}}, compiled).Pod

	w := newWorld(t)
	w.answers["/muster/v1alpha1/gangs/team-a/llm-0-abc?kind=pod"] = waiting("llm-1")
	w.objects["/api/v1/namespaces/team-a/pods/llm-0-abc"] = pod
	w.objects["/apis/scheduling.x-k8s.io/v1alpha1/namespaces/team-a/podgroups/llm-1"] = grouped()
	w.objects[policiesPath] = schedulingv1alpha1.PodPolicyList{Items: policies}
	stdout, _, err := w.run(t, "explain", "pod/llm-0-abc")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "Grouped     as Job llm, of which 2 must start together: spec.parallelism 2",
		"muster-gang set schedulerName muster; label scheduling.x-k8s.io/pod-group llm-1", "urgent changed nothing",
		`PodPolicy urgent is not ready (NoPriorityClass): there is no PriorityClass "urgent"`)

	// Who may not read policies gets the rest.
	delete(w.objects, policiesPath)
	stdout, _, err = w.run(t, "explain", "pod/llm-0-abc")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "muster-gang set schedulerName muster")
}

func TestExplainWorkload(t *testing.T) {
	w := newWorld(t)
	job := batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "llm", UID: "u-1"}}
	w.objects["/apis/batch/v1/namespaces/team-a/jobs/llm"] = job
	groups := "/apis/scheduling.x-k8s.io/v1alpha1/namespaces/team-a/podgroups"
	w.objects[groups] = podgroupv1alpha1.PodGroupList{Items: []podgroupv1alpha1.PodGroup{{}, grouped()}}
	w.objects[groups+"/llm-1"] = grouped()
	w.answers["/muster/v1alpha1/gangs/team-a/llm-1?kind=podgroup"] = waiting("llm-1")
	stdout, _, err := w.run(t, "explain", "job/llm")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, stdout, "Job team-a/llm waits for quota", "Grouped     as Job llm")

	job.Name, job.UID = "plain", "u-2"
	w.objects["/apis/batch/v1/namespaces/team-a/jobs/plain"] = job
	stdout, _, err = w.run(t, "explain", "job/plain")
	mustFail(t, stdout, err, "Job team-a/plain is no gang")
	second := grouped()
	second.Name = "llm-2"
	w.objects[groups] = podgroupv1alpha1.PodGroupList{Items: []podgroupv1alpha1.PodGroup{second, grouped()}}
	stdout, _, err = w.run(t, "explain", "job/llm")
	mustFail(t, stdout, err, "has 2 gangs")
	stdout, _, err = w.run(t, "explain", "lws/none")
	mustFail(t, stdout, err, "LeaderWorkerSet team-a/none")
}

// Of a pod that no policy brought under Muster it says which policies cannot.
func TestExplainPodOfAnotherScheduler(t *testing.T) {
	w := newWorld(t)
	w.objects["/api/v1/namespaces/team-a/pods/other"] = corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "default-scheduler"}}
	w.objects[policiesPath] = schedulingv1alpha1.PodPolicyList{Items: []schedulingv1alpha1.PodPolicy{policy("broken", "Syntax error", schedulingv1alpha1.PodPolicySettings{})}}
	stdout, _, err := w.run(t, "explain", "pod/other")
	mustFail(t, stdout, err, "no PodPolicy changed that\nPodPolicy broken is not ready (NoPriorityClass): Syntax error")
}
