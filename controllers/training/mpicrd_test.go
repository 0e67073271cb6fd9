package training

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func TestMPICRD(t *testing.T) {
	mpi := loadCRD(t, "kubeflow.org_mpijobs.yaml")
	job := func(name, spec string) string {
		return "apiVersion: kubeflow.org/v1\nmetadata: {name: " + name + "}\nspec: " + spec
	}
	tests := []struct{ name, job, old, want string }{
		{"plain", job("a", `{mpiReplicaSpecs: {Launcher: {}, Worker: {replicas: 2}}}`), "", ""},
		{"any case", job("a", `{mpiReplicaSpecs: {launcher: {replicas: 1}, worker: {replicas: 2}}}`), "", ""},
		{"launcher alone", job("a", `{mpiReplicaSpecs: {Launcher: {}}}`), "", ""},
		{"all fields", job("a", `{slotsPerWorker: 2, cleanPodPolicy: All, mainContainer: m, runLauncherAsWorker: true, sshAuthMountPath: /home/mpiuser/.ssh, launcherCreationPolicy: WaitForWorkersReady, mpiImplementation: Intel, runPolicy: {managedBy: kubeflow.org/mpi-operator}, mpiReplicaSpecs: {Launcher: {}}}`), "", ""},
		{"no launcher", job("a", `{mpiReplicaSpecs: {Worker: {replicas: 2}}}`), "", "a Launcher with exactly 1 replica is needed"},
		{"two launchers", job("a", `{mpiReplicaSpecs: {launcher: {replicas: 2}}}`), "", "a Launcher with exactly 1 replica is needed"},
		{"unknown type", job("a", `{mpiReplicaSpecs: {Launcher: {}, Master: {}}}`), "", "the replica types of an MPIJob are Launcher and Worker"},
		{"twice", job("a", `{mpiReplicaSpecs: {Launcher: {}, launcher: {}}}`), "", "given twice"},
		{"no slots", job("a", `{slotsPerWorker: 0, mpiReplicaSpecs: {Launcher: {}}}`), "", "slotsPerWorker"},
		{"implementation", job("a", `{mpiImplementation: LAM, mpiReplicaSpecs: {Launcher: {}}}`), "", "Unsupported value"},
		{"creation policy", job("a", `{launcherCreationPolicy: Later, mpiReplicaSpecs: {Launcher: {}}}`), "", "Unsupported value"},
		{"mount path", job("a", `{sshAuthMountPath: keys, mpiReplicaSpecs: {Launcher: {}}}`), "", "sshAuthMountPath"},
		{"min available", job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 3}}, mpiReplicaSpecs: {Launcher: {}, worker: {replicas: 2}}}`), "", ""},
		{"min available too large", job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 2}}, mpiReplicaSpecs: {Launcher: {}, worker: {}}}`), "", "minAvailable cannot be more"},
		{"queue changed", job("a", `{runPolicy: {schedulingPolicy: {queue: b}}, mpiReplicaSpecs: {Launcher: {}}}`), job("a", `{mpiReplicaSpecs: {Launcher: {}}}`), "queue cannot be changed"},
		{"managed by changed", job("a", `{runPolicy: {managedBy: kueue.x-k8s.io/multikueue}, mpiReplicaSpecs: {Launcher: {}}}`), job("a", `{mpiReplicaSpecs: {Launcher: {}}}`), "managedBy cannot be changed"},
		{"name", job("1a", `{mpiReplicaSpecs: {Launcher: {}}}`), "", "begin with a letter"},
		{"longest name", job(strings.Repeat("a", 54), `{mpiReplicaSpecs: {Launcher: {}, Worker: {replicas: 10}}}`), "", ""},
		{"name too long for the launcher", job(strings.Repeat("a", 55), `{mpiReplicaSpecs: {Launcher: {}}}`), "", "too long"},
		{"name too long for the workers", job(strings.Repeat("a", 54), `{mpiReplicaSpecs: {Launcher: {}, Worker: {replicas: 11}}}`), "", "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			errs := mpi.validate(parse(t, tt.job), parse(t, tt.old))
			if tt.want == "" && len(errs) > 0 || tt.want != "" && (len(errs) == 0 || !strings.Contains(errs.ToAggregate().Error(), tt.want)) {
				t.Errorf("got %v, want %q", errs.ToAggregate(), tt.want)
			}
		})
	}
	tf := loadCRD(t, "kubeflow.org_tfjobs.yaml")
	other := job("a", `{runPolicy: {managedBy: kubeflow.org/mpi-operator}, tfReplicaSpecs: {Worker: {}}}`)
	if errs := tf.validate(parse(t, other), nil); len(errs) == 0 || !strings.Contains(errs.ToAggregate().Error(), "only MPIJobs are managed by") {
		t.Errorf("a TFJob of the mpi-operator: %v", errs.ToAggregate())
	}
}

// Both versions have the same fields, so that nothing is lost between them.
func TestMPIVersionsHaveTheSameFields(t *testing.T) {
	data, err := os.ReadFile("../../manifests/crd/kubeflow.org_mpijobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &crd); err != nil {
		t.Fatal(err)
	}
	versions := crd.Spec.Versions
	if len(versions) != 2 || versions[0].Name != "v1" || !versions[0].Storage || versions[1].Name != "v2beta1" || versions[1].Storage || !versions[1].Served {
		t.Fatalf("versions: %+v", versions)
	}
	for _, v := range versions {
		v.Schema.OpenAPIV3Schema.Description = ""
	}
	if diff := cmp.Diff(versions[0].Schema, versions[1].Schema); diff != "" {
		t.Errorf("(-v1 +v2beta1):\n%s", diff)
	}
}
