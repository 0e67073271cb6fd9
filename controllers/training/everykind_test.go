package training

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// examples has a job of every kind with all that the kind is about: POLICY is its run policy, TEMPLATE the pod template.
var examples = map[string]string{
	"TFJob":      `tfReplicaSpecs: {Chief: {TEMPLATE}, PS: {TEMPLATE}, Worker: {replicas: 2, TEMPLATE}}`,
	"PyTorchJob": `pytorchReplicaSpecs: {Master: {TEMPLATE}, Worker: {replicas: 2, TEMPLATE}}`,
	"JAXJob":     `jaxReplicaSpecs: {Worker: {replicas: 3, TEMPLATE}}`,
	"XGBoostJob": `xgbReplicaSpecs: {Master: {TEMPLATE}, Worker: {replicas: 2, TEMPLATE}}`,
	"PaddleJob":  `paddleReplicaSpecs: {Master: {TEMPLATE}, Worker: {replicas: 2, TEMPLATE}}`,
	"MPIJob":     `mpiReplicaSpecs: {Launcher: {TEMPLATE}, Worker: {replicas: 2, TEMPLATE}}`,
	"MXJob":      `mxReplicaSpecs: {Scheduler: {TEMPLATE}, Server: {TEMPLATE}, Worker: {TEMPLATE}}`,
}

// example is that job; policy is its run policy, annotation one that it has. Pods that a signal ended are replaced.
func example(t *testing.T, k *kind, policy, annotation string) trainingv1.Job {
	t.Helper()
	replicas, ok := examples[k.name]
	if !ok {
		t.Fatalf("there is no example of a %s", k.name)
	}
	restart := "ExitCode"
	if k == mpiSSH {
		restart = "OnFailure" // the other one is not for it
	}
	container := cmp.Or(k.container, "main")
	template := fmt.Sprintf("restartPolicy: %s, template: {spec: {containers: [{name: %s, image: i}]}}", restart, container)
	_, job := readyJob(t, fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: j, annotations: {%s}}, spec: {runPolicy: {%s}, %s}}",
		k.gvk().GroupVersion(), k.name, annotation, policy, strings.ReplaceAll(replicas, "TEMPLATE", template)))
	return job
}

// everyKind is every kind, and the variants of one that has them instead of it.
func everyKind() []*kind {
	var all []*kind
	for _, k := range kinds {
		if k != mpiJob {
			all = append(all, k)
		}
	}
	return append(all, mpiExec, mpiSSH)
}

const allTogether = "scheduling.muster.dev/restart: all"

// TestNothingIsDoneTwice looks twice at jobs in all sorts of states: what the first look leads to leaves nothing to the
// second one. So a job of which nothing changes costs no write.
func TestNothingIsDoneTwice(t *testing.T) {
	const running, succeeded, failed = corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed
	states := map[string]func(*simulation){
		"new":                      func(*simulation) {},
		"running":                  func(s *simulation) { s.all(running) },
		"succeeded":                func(s *simulation) { s.all(succeeded) },
		"failed for good":          func(s *simulation) { s.all(running); s.end(s.names()[0], failed, exited(1, s.now)) },
		"a pod killed":             func(s *simulation) { s.all(running); s.end(s.names()[0], failed, exited(137, s.now)) },
		"all killed":               func(s *simulation) { s.all(failed, exited(137, s.now)) },
		"a pod lost":               func(s *simulation) { s.all(running); delete(s.pods, s.names()[0]) },
		"suspended":                func(s *simulation) { s.all(running); s.job.Policy().Suspend = new(true) },
		"a pod on its way out":     func(s *simulation) { s.all(running); s.remove(s.pods[s.names()[0]]) },
		"killed, and again killed": func(s *simulation) { s.all(failed, exited(137, s.now)); s.settle(); s.all(failed, exited(137, s.now)) },
	}
	for _, k := range everyKind() {
		for _, annotation := range []string{"", allTogether} {
			for _, policy := range []string{"", "cleanPodPolicy: All", "backoffLimit: 0, ttlSecondsAfterFinished: 1000000"} {
				for name, change := range states {
					s := newSimulation(t, k, example(t, k, policy, annotation))
					s.settle()
					change(s)
					s.settle()
					if p := s.decide(); s.changes(p) {
						t.Errorf("%s {%s} {%s}, %s: the job is settled, but the plan is %+v", k.name, policy, annotation, name, p)
					}
				}
			}
		}
	}
}
