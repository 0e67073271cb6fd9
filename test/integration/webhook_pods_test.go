package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

const (
	notebookLabel = "notebook-name"
	trialLabel    = "katib.kubeflow.org/trial"
	jobLabel      = "training.kubeflow.org/job-name"
	operatorLabel = "training.kubeflow.org/operator-name"
)

// Pods that others create come under Muster, by the policies that are shipped; asked again, these change nothing.
func TestPodsOfOthersComeUnderMuster(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	both := e.wouldBe(foreign("both", podLabel(notebookLabel, "ann"), podLabel(trialLabel, "t-1")))
	if got := e.told(both); both.Spec.SchedulerName != "muster" || both.Spec.PriorityClassName != "muster-notebook" ||
		!slices.Contains(got.Policies, "muster-notebook") || !slices.Contains(got.Policies, "muster-trial") || len(got.Changes) == 0 {
		t.Errorf("a pod of two families: scheduler %s, class %s, told %+v", both.Spec.SchedulerName, both.Spec.PriorityClassName, got)
	}

	large := foreign("large", podLabel(jobLabel, "llm"), podLabel(operatorLabel, "pytorchjob-controller"))
	for i := range 99 {
		large.Spec.Containers = append(large.Spec.Containers, corev1.Container{Name: fmt.Sprintf("c-%d", i), Image: "none"})
	}
	large.Spec.Containers[0].Resources.Limits = gpu(1)
	large.Spec.Containers[0].Resources.Requests = nil
	large = e.wouldBe(large)
	for _, c := range large.Spec.Containers {
		mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/dev/shm" })
		told := slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "NCCL_DEBUG" && v.Value == "WARN" })
		if !mounted || !told {
			t.Fatalf("container %s of 100 has no /dev/shm or not the environment: %+v", c.Name, c)
		}
	}

	for _, settled := range []*corev1.Pod{both, large} {
		again := settled.DeepCopy()
		again.ResourceVersion, again.UID, again.CreationTimestamp = "", "", metav1.Time{}
		if diff := cmp.Diff(settled.Spec, e.wouldBe(again).Spec); diff != "" {
			t.Errorf("pod %s is changed a second time:\n%s", settled.Name, diff)
		}
		if diff := cmp.Diff(settled.Annotations, e.wouldBe(again).Annotations); diff != "" {
			t.Errorf("pod %s is told a second time:\n%s", settled.Name, diff)
		}
	}

	e.createPods(foreign("runs", podLabel(notebookLabel, "ann")))
	e.expectPodBound("runs")
}

// What is not to be touched is not: who opted out, mirrors of static pods, what the cluster needs to run, and what is done to a
// pod after it was created.
func TestPodsThatAreLeftAlone(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	notebook := podLabel(notebookLabel, "ann")
	skip := podLabel(schedulingv1alpha1.SkipPodPoliciesLabel, "true")
	e.createPods(foreign("debugged", notebook))
	e.expectPodBound("debugged")

	before := webhookCalls(t)
	e.expectUntouched("an ordinary pod", e.wouldBe(foreign("web", podLabel("app", "shop"))))
	if webhookCalls(t) != before+1 {
		t.Error("the webhook was not asked about a pod")
	}
	before = webhookCalls(t)
	e.expectUntouched("a pod that opted out", e.wouldBe(foreign("out", notebook, skip)))
	inSystem := foreign("system", notebook)
	inSystem.Namespace = metav1.NamespaceSystem
	e.expectUntouched("a pod of kube-system", e.wouldBe(inSystem))
	mirror := foreign("mirror", notebook, annotation(corev1.MirrorPodAnnotationKey, "x"))
	mirror.Spec.NodeName = "node"
	e.expectUntouched("a static pod", e.wouldBe(mirror))

	running, err := e.clients.CoreV1().Pods(e.namespace).Get(t.Context(), "debugged", metav1.GetOptions{})
	e.do(err)
	debugged := running.DeepCopy()
	debugged.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "shell", Image: "none", ImagePullPolicy: corev1.PullAlways, TerminationMessagePolicy: corev1.TerminationMessageReadFile, TerminationMessagePath: "/dev/termination-log"},
	}}
	after, err := e.clients.CoreV1().Pods(e.namespace).UpdateEphemeralContainers(t.Context(), "debugged", debugged, metav1.UpdateOptions{})
	e.do(err)
	if diff := cmp.Diff(debugged.Spec, after.Spec); diff != "" {
		t.Errorf("a pod was changed when an ephemeral container was added:\n%s", diff)
	}
	if calls := webhookCalls(t); calls != before {
		t.Errorf("the webhook was asked about pods that it leaves alone, %v times", calls-before)
	}
}

// A webhook that comes later adds a container. It gets what the others got, and what was settled stays.
func TestContainerThatAnotherWebhookAdds(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	set := setsLabel("settled")
	set.Env = []schedulingv1alpha1.PodPolicyEnv{{Name: "ADDED", Value: "yes"}}
	p := e.policy("env", "size(pod.spec.containers) == 1", set) // which does not match what the other makes of the pod
	e.create(p)
	e.expectPolicy(p, schedulingv1alpha1.ReasonReady)
	e.sidecars()
	e.eventually("the other webhook is called, and ours after it", func(ctx context.Context) (bool, string) {
		pod := e.wouldBe(foreign("pod"))
		changes := e.told(pod).Changes
		if len(pod.Spec.Containers) == 1 {
			return false, "no container was added"
		}
		for _, c := range pod.Spec.Containers {
			if len(c.Env) != 1 || c.Env[0].Name != "ADDED" {
				return false, fmt.Sprintf("container %s has %v; told %+v", c.Name, c.Env, changes)
			}
		}
		return pod.Labels["settled"] == "yes", fmt.Sprintf("%v", pod.Labels)
	})
}
