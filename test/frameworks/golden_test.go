package frameworks

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// A golden is what the training controller makes of a job, as its own tests have it.
type golden struct {
	name, kind string
	pods       []corev1.Pod
	services   []corev1.Service
}

func goldens(t *testing.T) []golden {
	t.Helper()
	all := goldensIn(t, "../../controllers/training/testdata")
	for _, g := range goldensIn(t, "../../controllers/trainer/testdata") {
		if framework, ok := trainJobs[g.name]; ok {
			g.name, g.kind = "trainjob "+g.name, "TrainJob of "+framework
			all = append(all, g)
		}
	}
	return all
}

// trainJobs are the golden files of TrainJobs whose pods all train, with the frameworks that do.
var trainJobs = map[string]string{"elastic": "torch", "jax": "jax", "release-2.3": "torch", "xgboost": "xgboost"}

func goldensIn(t *testing.T, folder string) []golden {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.out.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, error %v", files, err)
	}
	var all []golden
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".out.yaml")
		g := golden{name: name}
		for _, document := range documents(t, filepath.Join(folder, name+".yaml")) {
			g.kind = read[metav1.TypeMeta](t, document).Kind
		}
		for _, document := range documents(t, file) {
			switch read[metav1.TypeMeta](t, document).Kind {
			case "Pod":
				pod := read[corev1.Pod](t, document)
				forgetOwn(&pod)
				g.pods = append(g.pods, pod)
			case "Service":
				g.services = append(g.services, read[corev1.Service](t, document))
			case "Job":
				g.pods = append(g.pods, podsOf(read[batchv1.Job](t, document))...)
			}
		}
		all = append(all, g)
	}
	return all
}

// podsOf are the pods that Kubernetes makes of an indexed Job.
func podsOf(job batchv1.Job) []corev1.Pod {
	var pods []corev1.Pod
	for i := range *job.Spec.Completions {
		template := job.Spec.Template.DeepCopy()
		pod := corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.Name, pod.Namespace = fmt.Sprintf("%s-%d", job.Name, i), job.Namespace
		pod.Spec.Hostname = pod.Name
		for _, on := range []*map[string]string{&pod.Labels, &pod.Annotations} {
			if *on == nil {
				*on = map[string]string{}
			}
			(*on)[batchv1.JobCompletionIndexAnnotation] = fmt.Sprint(i)
		}
		pods = append(pods, pod)
	}
	return pods
}

// forgetOwn takes an address of the user's own out of a pod: the job shall meet where the controller says.
func forgetOwn(pod *corev1.Pod) {
	env := &pod.Spec.Containers[0].Env
	for i, v := range *env {
		if v.Value == "elsewhere" {
			(*env)[i].Value = (*env)[slices.IndexFunc(*env, func(v corev1.EnvVar) bool { return v.Name == "PET_MASTER_ADDR" })].Value
		}
	}
}

func documents(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n---\n")
}

func read[T any](t *testing.T, document string) T {
	t.Helper()
	var object T
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// TestGolden: the processes of every job that the controller's tests have would meet.
func TestGolden(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range goldens(t) {
		if g.kind == "MPIJob" {
			continue // mpirun reads a file of hosts
		}
		seen[g.kind] = true
		t.Run(g.name, func(t *testing.T) {
			if err := Check(g.kind, g.pods, g.services); err != nil {
				t.Error(err)
			}
		})
	}
	for kind := range readers {
		if !seen[kind] {
			t.Errorf("no golden file of a %s", kind)
		}
	}
}

// nobodyReads are variables that a framework takes as they are.
var nobodyReads = []string{"PYTHONUNBUFFERED", "DMLC_USE_KUBERNETES", "POD_IP_DUMMY"}

// TestEveryVariableCounts spoils, in each pod of each job, one variable after the other: no mistake goes unnoticed.
func TestEveryVariableCounts(t *testing.T) {
	for _, g := range goldens(t) {
		if g.kind == "MPIJob" || len(g.pods) < 2 {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			spoilt := 0
			for i := range g.pods {
				c := slices.IndexFunc(g.pods[i].Spec.Containers, func(c corev1.Container) bool { return c.Name == mainContainers[g.kind] })
				for v, variable := range g.pods[i].Spec.Containers[c].Env {
					if !injected(variable) || unused(g, variable.Name) {
						continue
					}
					for _, value := range []string{"7777", "x", ""} {
						if value == variable.Value {
							continue
						}
						pods := slices.Clone(g.pods)
						pods[i] = *g.pods[i].DeepCopy()
						pods[i].Spec.Containers[c].Env[v] = corev1.EnvVar{Name: variable.Name, Value: value}
						spoilt++
						if Check(g.kind, pods, g.services) == nil {
							t.Errorf("%s=%q in %s goes unnoticed", variable.Name, value, pods[i].Name)
						}
					}
				}
			}
			if spoilt == 0 {
				t.Error("no variable of a framework in any pod")
			}
		})
	}
}

// injected says whether a variable is one of a framework's.
func injected(v corev1.EnvVar) bool {
	return !slices.Contains(nobodyReads, v.Name) && slices.ContainsFunc([]string{"MASTER_", "WORLD_", "RANK", "PET_", "COORDINATOR_",
		"NUM_PROCESSES", "PROCESS_ID", "WORKER_", "TF_CONFIG", "MX_CONFIG", "DMLC_", "PADDLE_", "JAX_"}, func(prefix string) bool {
		return strings.HasPrefix(v.Name, prefix)
	})
}

// unused says whether a variable plays no part in a job: where torchrun has a rendezvous, it finds the ranks and the
// address of the store itself, and tells them to what it starts.
func unused(g golden, variable string) bool {
	static := slices.Contains([]string{"PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_NODE_RANK"}, variable)
	return (g.name == "pytorch-elastic" || g.name == "trainjob elastic") && (static || !strings.HasPrefix(variable, "PET_"))
}

// addressed are services that the processes of a job meet at.
var addressed = map[string]string{
	"jax": "jax-worker-0", "mx": "mx-scheduler-0", "paddle-ps": "paddle-master-0", "pytorch-master": "ddp-master-0",
	"pytorch-workers": "flat-worker-0", "tf-chief": "eval-chief-0", "tf-dynamic": "dyn-ps-0", "tf-ps-worker": "mnist-worker-0", "xgboost": "xgb-master-0",
	"trainjob release-2.3": "llm", "trainjob jax": "job",
}

// TestObjectsThatAreMissing takes away one service after the other, and makes each one useless.
func TestObjectsThatAreMissing(t *testing.T) {
	spoils := map[string]func(*corev1.Service){
		"another name":      func(s *corev1.Service) { s.Name = "other" },
		"not headless":      func(s *corev1.Service) { s.Spec.ClusterIP = "10.0.0.1" },
		"another port":      func(s *corev1.Service) { s.Spec.Ports[0].Port++ },
		"hides its pod":     func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = false },
		"leads to nobody":   func(s *corev1.Service) { s.Spec.Selector = map[string]string{"no": "pod"} },
		"leads to them all": func(s *corev1.Service) { s.Spec.Selector = nil },
	}
	for _, g := range goldens(t) {
		first, ok := addressed[g.name]
		if !ok {
			continue
		}
		for what, spoil := range spoils {
			if strings.HasPrefix(g.kind, "TrainJob") && (what == "another port" || what == "leads to them all") {
				continue // one service has all the names
			}
			t.Run(g.name+" "+what, func(t *testing.T) {
				services := slices.Clone(g.services)
				for i := range services {
					if services[i].Name == first {
						services[i] = *services[i].DeepCopy()
						spoil(&services[i])
					}
				}
				if Check(g.kind, g.pods, services) == nil {
					t.Errorf("service %s: %s, and nobody notices", first, what)
				}
			})
		}
	}
}
