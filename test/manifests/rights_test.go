package manifests

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	schedulerconfigv1 "k8s.io/kube-scheduler/config/v1"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/manifests"
	"github.com/muster-scheduling/muster/webhooks"
)

func TestBindingsNameWhatExists(t *testing.T) {
	objects := build(t)
	check := func(binding string, role rbacv1.RoleRef, subjects []rbacv1.Subject) {
		switch {
		case strings.HasPrefix(role.Name, "system:") || role.Name == "extension-apiserver-authentication-reader":
			// Every API server has these.
		case role.Kind == "ClusterRole":
			named[*rbacv1.ClusterRole](t, objects, role.Name)
		default:
			named[*rbacv1.Role](t, objects, role.Name)
		}
		for _, subject := range subjects {
			if subject.Kind != rbacv1.ServiceAccountKind || subject.Namespace != namespace {
				t.Errorf("%s: grants rights to %s %s/%s", binding, subject.Kind, subject.Namespace, subject.Name)
			}
			named[*corev1.ServiceAccount](t, objects, subject.Name)
		}
	}
	for _, binding := range all[*rbacv1.ClusterRoleBinding](objects) {
		check(binding.Name, binding.RoleRef, binding.Subjects)
	}
	for _, binding := range all[*rbacv1.RoleBinding](objects) {
		check(binding.Name, binding.RoleRef, binding.Subjects)
	}
}

func TestRightsAreNamedOneByOne(t *testing.T) {
	for role, rules := range roles(build(t)) {
		for _, rule := range rules {
			if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
				t.Errorf("%s: grants *: %v", role, rule)
			}
			if slices.Contains(rule.Resources, "secrets") && !mayKeepCertificate(role, rule) && !mayMakeKeys(role, rule) ||
				slices.Contains(rule.Verbs, "escalate") ||
				slices.Contains(rule.Verbs, "bind") || slices.Contains(rule.Verbs, "impersonate") {
				t.Errorf("%s: grants what nothing here needs: %v", role, rule)
			}
		}
	}
}

// mayKeepCertificate says whether a rule lets the webhooks keep the one Secret that holds the webhooks' certificate, and no more. What
// is created has no name that a rule could give.
func mayKeepCertificate(role string, rule rbacv1.PolicyRule) bool {
	return role == "Role muster-webhooks" && slices.Equal(rule.Resources, []string{"secrets"}) &&
		(slices.Equal(rule.Verbs, []string{"create"}) || slices.Equal(rule.ResourceNames, []string{webhooks.CertificateSecret}))
}

// mayMakeKeys says whether a rule lets the manager create the keys of a job, and look whose they are if they exist. It may not
// look through Secrets.
func mayMakeKeys(role string, rule rbacv1.PolicyRule) bool {
	return role == "ClusterRole muster-manager" && slices.Equal(rule.Resources, []string{"secrets"}) && slices.Equal(rule.Verbs, []string{"get", "create"})
}

// roles returns the rules of each role and cluster role by name.
func roles(objects []runtime.Object) map[string][]rbacv1.PolicyRule {
	rules := map[string][]rbacv1.PolicyRule{}
	for _, role := range all[*rbacv1.ClusterRole](objects) {
		rules["ClusterRole "+role.Name] = role.Rules
	}
	for _, role := range all[*rbacv1.Role](objects) {
		rules["Role "+role.Name] = role.Rules
	}
	return rules
}

func TestUsersMayWorkWithEveryKind(t *testing.T) {
	objects := build(t)
	edit := named[*rbacv1.ClusterRole](t, objects, "muster-edit")
	queueEdit := named[*rbacv1.ClusterRole](t, objects, "muster-queue-edit")
	view := named[*rbacv1.ClusterRole](t, objects, "muster-view")
	for _, crd := range all[*apiextensionsv1.CustomResourceDefinition](objects) {
		editor, name := edit, "muster-edit"
		if crd.Spec.Scope == apiextensionsv1.ClusterScoped { // not for those who may edit a namespace
			editor, name = queueEdit, "muster-queue-edit"
			if grants(edit.Rules, crd, "create") {
				t.Errorf("muster-edit lets its holders create %s, which are the cluster's", crd.Name)
			}
		}
		for _, verb := range []string{"create", "update", "patch", "delete"} {
			if !grants(editor.Rules, crd, verb) {
				t.Errorf("%s does not let its holders %s %s", name, verb, crd.Name)
			}
		}
		for _, verb := range []string{"get", "list", "watch"} {
			if !grants(view.Rules, crd, verb) {
				t.Errorf("muster-view does not let its holders %s %s", verb, crd.Name)
			}
		}
	}
}

func grants(rules []rbacv1.PolicyRule, crd *apiextensionsv1.CustomResourceDefinition, verb string) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.APIGroups, crd.Spec.Group) &&
			slices.Contains(rule.Resources, crd.Spec.Names.Plural) && slices.Contains(rule.Verbs, verb)
	})
}

func TestEveryCRDIsInstalled(t *testing.T) {
	var installed []string
	for _, crd := range all[*apiextensionsv1.CustomResourceDefinition](build(t)) {
		installed = append(installed, crd.Spec.Group+"_"+crd.Spec.Names.Plural+".yaml")
	}
	files, err := fs.Glob(manifests.CRDs, "crd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(installed, path.Base(file)) {
			t.Errorf("%s is not in crd/kustomization.yaml", file)
		}
	}
	if len(files) != len(installed) {
		t.Errorf("%d CRDs are installed, %d are embedded in the programs", len(installed), len(files))
	}
}

func TestSchedulerMayHoldTheLeaseOfItsConfiguration(t *testing.T) {
	objects := build(t)
	scheduler := named[*appsv1.Deployment](t, objects, "muster-scheduler").Spec.Template.Spec
	file := named[*corev1.ConfigMap](t, objects, scheduler.Volumes[0].ConfigMap.Name).Data["config.yaml"]
	var config schedulerconfigv1.KubeSchedulerConfiguration
	if err := yaml.UnmarshalStrict([]byte(file), &config); err != nil {
		t.Fatalf("reading the scheduler's configuration: %v", err)
	}
	lease := config.LeaderElection
	if lease.LeaderElect == nil || !*lease.LeaderElect || lease.ResourceNamespace != namespace {
		t.Fatalf("two replicas have to elect a leader in %s, got %+v", namespace, lease)
	}
	rules := named[*rbacv1.Role](t, objects, "muster-scheduler").Rules
	if !slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.Resources, "leases") && slices.Contains(rule.ResourceNames, lease.ResourceName) &&
			slices.Contains(rule.Verbs, "get") && slices.Contains(rule.Verbs, "update")
	}) {
		t.Errorf("the scheduler may not renew its lease %q", lease.ResourceName)
	}
}
