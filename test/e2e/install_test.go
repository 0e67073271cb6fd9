package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// overlay is what docs/install.md has an admin write: images that the nodes have, a flag of the manager, and a configuration
// of the scheduler of one's own.
const overlay = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- %s
images:
- {name: muster-scheduler, newName: localhost/muster-scheduler, newTag: e2e}
- {name: muster-manager, newName: localhost/muster-manager, newTag: e2e}
patches:
- target: {kind: Deployment, name: muster-manager}
  patch: |
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --mpi-kubectl-delivery-image=localhost/deliver:e2e}
configMapGenerator:
- name: muster-scheduler-config
  namespace: muster-system
  behavior: replace
  files: [config.yaml]
`

// install installs the cluster's DNS, and Muster as an admin does. It tells when each is ready.
func install(ctx context.Context, ready func(what string)) error {
	directory, err := writeOverlay()
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "-f", "dns.yaml"},
		{"apply", "-k", directory},
		{"apply", "-k", filepath.Join(shared.plan.Root, "manifests", "pod-policies")},
		{"apply", "-k", filepath.Join(shared.plan.Root, "manifests", "runtimes")},
		{"-n", "kube-system", "rollout", "status", "deployment", "--timeout=3m"},
	} {
		if _, err := kubectl(ctx, args...); err != nil {
			return err
		}
	}
	ready("DNS")
	if _, err := kubectl(ctx, "-n", "muster-system", "rollout", "status", "deployment", "--timeout=3m"); err != nil {
		return err
	}
	ready("Muster")
	return nil
}

// writeOverlay writes the overlay, and returns its directory. A gang that lost a node is given up sooner than by default, so
// that a test can see it.
func writeOverlay() (string, error) {
	manifests := filepath.Join(shared.plan.Root, "manifests")
	config, err := os.ReadFile(filepath.Join(manifests, "scheduler", "config.yaml"))
	if err != nil {
		return "", err
	}
	const before, after = "brokenGangGracePeriod: 5m", "brokenGangGracePeriod: 20s"
	if !strings.Contains(string(config), before) {
		return "", fmt.Errorf("the scheduler's configuration lacks %q", before)
	}
	directory := filepath.Join(shared.plan.Cluster.Dir, "install")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", err
	}
	resources, err := filepath.Rel(directory, filepath.Join(manifests, "default"))
	if err != nil {
		return "", err
	}
	for name, content := range map[string]string{
		"kustomization.yaml": fmt.Sprintf(overlay, resources),
		"config.yaml":        strings.Replace(string(config), before, after, 1),
	} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	return directory, nil
}

// kubectl runs it as the cluster's administrator.
func kubectl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "kubectl", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+shared.cluster.Kubeconfig())
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return string(output), nil
}
