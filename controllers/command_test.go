package controllers

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// discovery is as much of an API server as a manager needs before it starts: it tells which kinds there are.
func discovery(t *testing.T) *httptest.Server {
	t.Helper()
	resources := map[string][]metav1.APIResource{
		"v1": {{Name: "pods", Kind: "Pod", Namespaced: true}, {Name: "services", Kind: "Service", Namespaced: true},
			{Name: "configmaps", Kind: "ConfigMap", Namespaced: true}, {Name: "secrets", Kind: "Secret", Namespaced: true},
			{Name: "serviceaccounts", Kind: "ServiceAccount", Namespaced: true},
			{Name: "events", Kind: "Event", Namespaced: true}},
		"apps/v1": {
			{Name: "statefulsets", Kind: "StatefulSet", Namespaced: true}, {Name: "controllerrevisions", Kind: "ControllerRevision", Namespaced: true},
		},
		"batch/v1": {{Name: "jobs", Kind: "Job", Namespaced: true}},
		"trainer.kubeflow.org/v1alpha1": {
			{Name: "trainjobs", Kind: "TrainJob", Namespaced: true}, {Name: "trainingruntimes", Kind: "TrainingRuntime", Namespaced: true},
			{Name: "clustertrainingruntimes", Kind: "ClusterTrainingRuntime"},
		},
		"kubeflow.org/v1": {
			{Name: "tfjobs", Kind: "TFJob", Namespaced: true}, {Name: "pytorchjobs", Kind: "PyTorchJob", Namespaced: true},
			{Name: "jaxjobs", Kind: "JAXJob", Namespaced: true}, {Name: "xgboostjobs", Kind: "XGBoostJob", Namespaced: true},
			{Name: "paddlejobs", Kind: "PaddleJob", Namespaced: true}, {Name: "mxjobs", Kind: "MXJob", Namespaced: true},
			{Name: "mpijobs", Kind: "MPIJob", Namespaced: true},
		},
		"rbac.authorization.k8s.io/v1": {
			{Name: "roles", Kind: "Role", Namespaced: true}, {Name: "rolebindings", Kind: "RoleBinding", Namespaced: true},
		},
		"scheduling.x-k8s.io/v1alpha1": {{Name: "podgroups", Kind: "PodGroup", Namespaced: true}},
		"autoscaling/v2":               {{Name: "horizontalpodautoscalers", Kind: "HorizontalPodAutoscaler", Namespaced: true}},
	}
	groups := metav1.APIGroupList{}
	mux := http.NewServeMux()
	answer := func(path string, what any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(what); err != nil {
				t.Error(err)
			}
		})
	}
	for version, list := range resources {
		prefix := "/apis/"
		if version == "v1" {
			prefix = "/api/"
		} else {
			gv := metav1.GroupVersionForDiscovery{GroupVersion: version, Version: path.Base(version)}
			groups.Groups = append(groups.Groups, metav1.APIGroup{
				Name: path.Dir(version), Versions: []metav1.GroupVersionForDiscovery{gv}, PreferredVersion: gv,
			})
		}
		answer(prefix+version, metav1.APIResourceList{GroupVersion: version, APIResources: list})
	}
	answer("/api", metav1.APIVersions{Versions: []string{"v1"}})
	answer("/apis", groups)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// run executes the command with arguments. Its context has ended, so that it stops as soon as it has started.
func run(t *testing.T, args ...string) error {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	content := `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "c", "cluster": {"server": "` + discovery(t).URL + `"}}],
		"contexts": [{"name": "c", "context": {"cluster": "c"}}]}`
	if err := os.WriteFile(kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cmd := Command()
	cmd.SetArgs(append([]string{
		"--kubeconfig", kubeconfig, "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address=0",
	}, args...))
	return cmd.ExecuteContext(ctx)
}

func TestBadFlags(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown family", []string{"--families=training,serving"}, `there is no family "serving", only gangs, notebook, trainer, training`},
		{"unknown flag", []string{"--colour=blue"}, "unknown flag: --colour"},
		{"an argument", []string{"now"}, `unknown command "now"`},
		{"no idle time", []string{"--cull-idle-notebooks", "--notebook-idle-time=0"}, "idle time of notebooks must be positive"},
		{"no check period", []string{"--cull-idle-notebooks", "--notebook-check-period=-1s"}, "period in which notebooks are checked must be positive"},
		{"one URL for all notebooks", []string{"--cull-idle-notebooks", "--notebook-url=http://a"}, "must have {name} and {namespace}"},
		{"no URL", []string{"--cull-idle-notebooks", "--notebook-url={name}.{namespace}"}, "must begin with http:// or https://"},
		{"no kubeconfig", []string{"--kubeconfig=/nowhere"}, `reading the kubeconfig "/nowhere"`},
		{"address without a port", []string{"--webhook-bind-address=localhost"}, "read the webhooks' address"},
		{"port 0", []string{"--webhook-bind-address=:0"}, "it needs a port from 1 to 65535"},
		{"service without a namespace", []string{"--webhook-bind-address=:9443", "--webhook-service=muster-webhooks"}, `"muster-webhooks" is not NAMESPACE/NAME`},
		{"address in use", []string{"--health-probe-bind-address=" + listener.Addr().String()}, "address already in use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t, tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Controllers have the same names in every manager of a process, and indexes and metrics may be registered only once.
func TestSeveralManagersInOneProcess(t *testing.T) {
	for range 3 {
		if err := run(t); err != nil {
			t.Fatal(err)
		}
	}
}
