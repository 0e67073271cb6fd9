package manifests

import (
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

func TestPodsAreConfined(t *testing.T) {
	for _, deployment := range all[*appsv1.Deployment](build(t)) {
		t.Run(deployment.Name, func(t *testing.T) {
			pod := deployment.Spec.Template.Spec
			for _, fault := range append(podFaults(pod), probeFaults(pod)...) {
				t.Error(fault)
			}
		})
	}
}

// podFaults names what the pod could do without, in the words of the
// restricted Pod Security Standard where that has some.
func podFaults(pod corev1.PodSpec) []string {
	var faults []string
	require := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, fault)
		}
	}
	require(!pod.HostNetwork && !pod.HostPID && !pod.HostIPC, "shares a namespace of the host")
	context := ptr.Deref(pod.SecurityContext, corev1.PodSecurityContext{})
	require(ptr.Deref(context.RunAsNonRoot, false), "may run as root")
	require(ptr.Deref(context.RunAsUser, 0) != 0, "names no user")
	require(context.SeccompProfile != nil && context.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "has no seccomp profile")
	require(pod.PriorityClassName == "system-cluster-critical", "may be evicted for the pods that it serves")
	require(pod.SchedulerName == corev1.DefaultSchedulerName, "waits for a scheduler that may be itself")
	for _, volume := range pod.Volumes {
		require(volume.HostPath == nil, "mounts a path of the host")
	}
	for _, container := range pod.Containers {
		context := ptr.Deref(container.SecurityContext, corev1.SecurityContext{})
		require(ptr.Deref(context.ReadOnlyRootFilesystem, false), "may write to its root file system")
		require(!ptr.Deref(context.AllowPrivilegeEscalation, true), "may gain privileges")
		require(!ptr.Deref(context.Privileged, false), "is privileged")
		require(context.Capabilities != nil && slices.Contains(context.Capabilities.Drop, "ALL") && len(context.Capabilities.Add) == 0, "keeps capabilities")
		require(!container.Resources.Requests.Cpu().IsZero() && !container.Resources.Requests.Memory().IsZero(), "requests no CPU or memory")
	}
	return faults
}

// probeFaults names the probes that are missing or that ask a port which the
// container does not name.
func probeFaults(pod corev1.PodSpec) []string {
	var faults []string
	for _, container := range pod.Containers {
		for path, probe := range map[string]*corev1.Probe{"/healthz": container.LivenessProbe, "/readyz": container.ReadinessProbe} {
			if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path {
				faults = append(faults, "is not probed at "+path)
				continue
			}
			asked := func(port corev1.ContainerPort) bool { return port.Name == probe.HTTPGet.Port.StrVal }
			if !slices.ContainsFunc(container.Ports, asked) {
				faults = append(faults, fmt.Sprintf("is probed at port %s, which it does not name", &probe.HTTPGet.Port))
			}
		}
	}
	return faults
}

func TestPodFaultsFindsEachFault(t *testing.T) {
	sound := named[*appsv1.Deployment](t, build(t), "muster-scheduler").Spec.Template.Spec
	for name, spoil := range map[string]func(*corev1.PodSpec){
		"host network":   func(pod *corev1.PodSpec) { pod.HostNetwork = true },
		"root":           func(pod *corev1.PodSpec) { pod.SecurityContext.RunAsNonRoot = nil },
		"no user":        func(pod *corev1.PodSpec) { pod.SecurityContext.RunAsUser = nil },
		"no seccomp":     func(pod *corev1.PodSpec) { pod.SecurityContext.SeccompProfile = nil },
		"no priority":    func(pod *corev1.PodSpec) { pod.PriorityClassName = "" },
		"own scheduler":  func(pod *corev1.PodSpec) { pod.SchedulerName = "muster" },
		"host path":      func(pod *corev1.PodSpec) { pod.Volumes[0].HostPath = &corev1.HostPathVolumeSource{Path: "/"} },
		"writable root":  func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil },
		"escalation":     func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
		"privileged":     func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.Privileged = new(true) },
		"capabilities":   func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.Capabilities = nil },
		"no requests":    func(pod *corev1.PodSpec) { pod.Containers[0].Resources.Requests = nil },
		"no liveness":    func(pod *corev1.PodSpec) { pod.Containers[0].LivenessProbe = nil },
		"port not named": func(pod *corev1.PodSpec) { pod.Containers[0].Ports[0].Name = "http" },
	} {
		t.Run(name, func(t *testing.T) {
			pod := *sound.DeepCopy()
			spoil(&pod)
			if len(podFaults(pod))+len(probeFaults(pod)) == 0 {
				t.Error("no fault found")
			}
		})
	}
}

func TestPartsOfDeploymentsExist(t *testing.T) {
	objects := build(t)
	for _, deployment := range all[*appsv1.Deployment](objects) {
		t.Run(deployment.Name, func(t *testing.T) {
			template := deployment.Spec.Template
			named[*corev1.ServiceAccount](t, objects, template.Spec.ServiceAccountName)
			for _, volume := range template.Spec.Volumes {
				if volume.ConfigMap != nil {
					named[*corev1.ConfigMap](t, objects, volume.ConfigMap.Name)
				}
			}
			budget := named[*policyv1.PodDisruptionBudget](t, objects, deployment.Name)
			for what, selector := range map[string]*metav1.LabelSelector{
				"Deployment": deployment.Spec.Selector, "PodDisruptionBudget": budget.Spec.Selector,
				"topology spread": template.Spec.TopologySpreadConstraints[0].LabelSelector,
			} {
				parsed, err := metav1.LabelSelectorAsSelector(selector)
				if err != nil {
					t.Fatal(err)
				}
				if parsed.Empty() || !parsed.Matches(labels.Set(template.Labels)) {
					t.Errorf("the selector of the %s does not select its pods", what)
				}
			}
		})
	}
}
