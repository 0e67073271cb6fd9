package manifests

import (
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/muster-scheduling/muster/nodeagent"
)

const (
	nodeAgent          = "muster-node-agent" // its name and that of its namespace
	nodeAgentManifests = "../../manifests/node-agent"
)

func TestNodeAgentRunsWithFlagsThatItHas(t *testing.T) {
	set := named[*appsv1.DaemonSet](t, buildFolder(t, nodeAgentManifests), nodeAgent)
	flags := nodeagent.Command().Flags()
	for _, arg := range set.Spec.Template.Spec.Containers[0].Args {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if flags.Lookup(name) == nil {
			t.Errorf("muster-node-agent has no flag --%s", name)
		}
	}
}

func TestNodeAgentMayDoLittle(t *testing.T) {
	objects := buildFolder(t, nodeAgentManifests)
	for role, rules := range roles(objects) {
		for _, rule := range rules {
			for _, resource := range rule.Resources {
				allowed := map[string][]string{
					"nodes": {"get", "patch"}, "nodes/status": {"patch"}, "nodes/configz": {"get"}, "events": {"create"},
					"noderesourcetopologies": {"get", "create", "update", "delete"},
				}[resource]
				if !slices.Equal(rule.Verbs, allowed) {
					t.Errorf("%s: %v on %s, expected %v", role, rule.Verbs, resource, allowed)
				}
			}
		}
	}
	for _, binding := range all[*rbacv1.ClusterRoleBinding](objects) {
		for _, subject := range binding.Subjects {
			if subject.Name != nodeAgent || subject.Namespace != nodeAgent {
				t.Errorf("%s: grants rights to %s/%s", binding.Name, subject.Namespace, subject.Name)
			}
		}
	}
	pod := named[*appsv1.DaemonSet](t, objects, nodeAgent).Spec.Template.Spec
	security := pod.Containers[0].SecurityContext
	if security.Privileged != nil || *security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem ||
		!slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(security.Capabilities.Add) != 0 {
		t.Errorf("security context %+v", security)
	}
	if len(pod.Volumes) != 1 || pod.Volumes[0].HostPath.Path != "/var/lib/kubelet/pod-resources" || !pod.Containers[0].VolumeMounts[0].ReadOnly {
		t.Errorf("volumes %+v", pod.Volumes)
	}
}

// TestNodeAgentIsHeldToItsNode: the policy has to name the account that the
// agent runs as, and all that this account may write.
func TestNodeAgentIsHeldToItsNode(t *testing.T) {
	objects := buildFolder(t, nodeAgentManifests)
	account := named[*appsv1.DaemonSet](t, objects, nodeAgent).Spec.Template.Spec.ServiceAccountName
	policy := named[*admissionv1.ValidatingAdmissionPolicy](t, objects, "muster-node-agent-own-node")
	if user := "'system:serviceaccount:" + nodeAgent + ":" + account + "'"; !strings.HasSuffix(policy.Spec.MatchConditions[0].Expression, user) {
		t.Errorf("the policy is for %s, the agent is %s", policy.Spec.MatchConditions[0].Expression, user)
	}
	var held []string
	for _, rule := range policy.Spec.MatchConstraints.ResourceRules {
		held = append(held, rule.Resources...)
	}
	for _, rule := range named[*rbacv1.ClusterRole](t, objects, nodeAgent).Rules {
		for _, resource := range rule.Resources {
			if slices.Equal(rule.Verbs, []string{"get"}) {
				continue
			}
			if !slices.Contains(held, resource) {
				t.Errorf("the agent may write %s of any node", resource)
			}
		}
	}
	if binding := named[*admissionv1.ValidatingAdmissionPolicyBinding](t, objects, policy.Name); binding.Spec.PolicyName != policy.Name ||
		!slices.Equal(binding.Spec.ValidationActions, []admissionv1.ValidationAction{admissionv1.Deny}) {
		t.Errorf("binding %+v", binding.Spec)
	}
}
