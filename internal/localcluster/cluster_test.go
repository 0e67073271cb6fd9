package localcluster

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// startCluster starts a cluster that ends with the test, and a client of it made
// from its kubeconfig.
func startCluster(t *testing.T, cfg Config) (*Cluster, kubernetes.Interface) {
	t.Helper()
	cluster, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return cluster, client
}

// eventually waits until the condition holds; it fails the test with what the
// condition last said.
func eventually(t *testing.T, condition func(context.Context) (bool, string)) {
	t.Helper()
	var last string
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (ok bool, _ error) {
		ok, last = condition(ctx)
		return ok, nil
	})
	if err != nil {
		t.Fatalf("%v: %s", err, last)
	}
}

// boundPod is a pod that runs on node-0 without a scheduler.
func boundPod(name string, annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
		Spec: corev1.PodSpec{
			NodeName:      "node-0",
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "main", Image: "none"}},
		},
	}
}

// temporaryFiles points the directory of temporary files to one of the test's
// own. Ask for T.TempDir before: it would lie in there.
func temporaryFiles(t *testing.T) string {
	dir, err := os.MkdirTemp("", "t-") // shorter than T.TempDir's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", filepath.Join(dir, e.Name()))
	}
}

// A second start on the same directory finds the first one's objects, with
// another port, and without components to play anything pods are created all the same.
func TestDataDirKeepsState(t *testing.T) {
	cfg := Config{DataDir: filepath.Join(t.TempDir(), "new", "data"), Nodes: DefaultNodes(2), Components: []Component{}}
	temporary := temporaryFiles(t)
	first, client := startCluster(t, cfg)
	if _, err := client.CoreV1().Pods("default").Create(t.Context(), boundPod("kept", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{})
	checkError(t, err, "has a cluster already")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, temporary)

	cfg.Nodes = DefaultNodes(3)
	_, client = startCluster(t, cfg)
	pod, err := client.CoreV1().Pods("default").Get(t.Context(), "kept", metav1.GetOptions{})
	if err != nil || pod.Status.Phase != corev1.PodPending {
		t.Errorf("pod %+v, %v", pod.Status, err)
	}
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 3 {
		t.Errorf("%d nodes, want 3; %v", len(nodes.Items), err)
	}
}

// What cannot start says why and leaves nothing behind.
func TestStartRefuses(t *testing.T) {
	dir := t.TempDir()
	temporary := temporaryFiles(t)
	file := filepath.Join(dir, "file")
	foreign := filepath.Join(dir, "foreign")
	if err := os.WriteFile(file, []byte("no kubeconfig: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("contexts: [{name: production, context: {cluster: c}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()

	newDir := filepath.Join(dir, "new")
	for _, test := range []struct {
		name string
		ctx  context.Context
		cfg  Config
		want string
	}{
		{name: "port in use", cfg: Config{Port: taken.Addr().(*net.TCPAddr).Port, DataDir: newDir}, want: "address already in use"},
		{name: "data directory below a file", cfg: Config{DataDir: filepath.Join(file, "data")}, want: "data directory: mkdir " + file + ": not a directory"},
		{name: "unknown component", cfg: Config{Components: []Component{"kubelet"}, DataDir: newDir}, want: `unknown component "kubelet"`},
		{name: "negative count", cfg: Config{Nodes: []NodeGroup{{Name: "n", Count: -1}}, DataDir: newDir}, want: "must be at least 1"},
		{name: "kubeconfig of another cluster", cfg: Config{Kubeconfig: foreign, DataDir: newDir}, want: `holds the context "production" of another cluster`},
		{name: "kubeconfig is something else", cfg: Config{Kubeconfig: file, DataDir: newDir}, want: "is no kubeconfig"},
		{name: "no directory for the kubeconfig", cfg: Config{Kubeconfig: filepath.Join(dir, "no", "kubeconfig"), DataDir: newDir}, want: "write kubeconfig"},
		{name: "unknown feature gate", cfg: Config{FeatureGates: map[string]bool{"Perpetuum": true}, DataDir: newDir}, want: `unknown feature gate "Perpetuum"`},
		{name: "unknown flag of the API server", cfg: Config{APIServerArgs: []string{"--fast"}, DataDir: newDir}, want: "unknown flag: --fast"},
		{name: "interrupted", ctx: ended, cfg: Config{DataDir: newDir}, want: context.Canceled.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			_, err := Start(ctx, test.cfg)
			checkError(t, err, test.want)
			checkEmpty(t, temporary)
			if _, err := os.Stat(newDir); !os.IsNotExist(err) {
				t.Errorf("data directory is left behind: %v", err)
			}
		})
	}
}

// Two processes must not write to the same directory.
func TestDataDirIsLocked(t *testing.T) {
	path := t.TempDir()
	first, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = openDataDir(path)
	checkError(t, err, "is in use by another muster-local")
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
}

func isGone(err error) (bool, string) {
	return apierrors.IsNotFound(err), strings.TrimSpace("still there; " + errorText(err))
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
