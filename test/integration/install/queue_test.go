package install

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/internal/localcluster"
)

// newQueueAdmin starts an API server with what Muster installs, and nothing else.
func newQueueAdmin(t *testing.T) admin {
	t.Helper()
	cluster, err := localcluster.Start(t.Context(), localcluster.Config{
		Components: []localcluster.Component{localcluster.Etcd, localcluster.APIServer},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return newAdmin(t, cluster.RESTConfig())
}

func queue(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	q := &unstructured.Unstructured{}
	text := fmt.Sprintf("{apiVersion: scheduling.muster.dev/v1alpha1, kind: Queue, metadata: {name: %s}, spec: %s}", name, spec)
	if err := yaml.Unmarshal([]byte(text), &q.Object); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQueues(t *testing.T) {
	admin := newQueueAdmin(t)
	t.Run("that are well formed are taken", admin.testQueuesTaken)
	t.Run("of the guide are taken", admin.testQueuesOfTheGuide)
	t.Run("that are not are refused", admin.testQueuesRefused)
	t.Run("get defaults", admin.testQueueDefaults)
	t.Run("with gangs are not deleted", admin.testQueueDeletion)
}

func (a admin) testQueuesTaken(t *testing.T) {
	for name, spec := range map[string]string{
		"nothing":    `{}`,
		"top":        `{parent: "", weight: 0, stop: Hold, minRuntime: 0s}`,
		"everything": `{parent: top, weight: 1000000, guarantee: {cpu: 500m, nvidia.com/gpu: 16}, limit: {nvidia.com/gpu: "64", memory: 1Ti}, reclaimable: false, minRuntime: 1h30m, stop: Drain, namespaceSelector: {matchLabels: {team: a}}}`,
		"equal":      `{guarantee: {memory: 1Gi}, limit: {memory: 1024Mi}}`,
		"huge":       `{guarantee: {memory: 7E}, limit: {memory: 9e18}, minRuntime: 100000h}`,
		"selective":  `{namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [a, b]}, {key: gpu, operator: Exists}]}}`,

		strings.Repeat("a", 63): `{}`,
	} {
		if err := a.client.Create(t.Context(), queue(t, name, spec)); err != nil {
			t.Errorf("%s %s: %v", name, spec, err)
		}
	}
}

func (a admin) testQueuesOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/queues.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tree, _ := strings.Cut(string(guide), "```yaml\n")
	tree, _, found := strings.Cut(tree, "```")
	if !found {
		t.Fatal("docs/queues.md shows no tree")
	}
	a.apply(t, "", []byte(tree))
}

func (a admin) testQueuesRefused(t *testing.T) {
	for spec, want := range map[string]string{
		`{parent: bad}`:                              "must not be the queue itself",
		`{parent: Capital}`:                          "should match",
		`{weight: -1}`:                               "greater than or equal to 0",
		`{weight: 1000001}`:                          "less than or equal to 1000000",
		`{weight: 9223372036854775808}`:              "spec.weight",
		`{guarantee: {cpu: -1}}`:                     "not be negative",
		`{limit: {nvidia.com/gpu: "-1m"}}`:           "not be negative",
		`{limit: {nvidia.com/gpu: NaN}}`:             "spec.limit",
		`{limit: {nvidia.com/gpu: ""}}`:              "spec.limit",
		`{limit: {nvidia.com/gpu: 1.5}}`:             "spec.limit",
		`{guarantee: {cpu: 2}, limit: {cpu: 1500m}}`: "guarantee must not exceed limit",
		`{guarantee: {cpu: 1e3}, limit: {cpu: 999}}`: "guarantee must not exceed limit",
		`{minRuntime: -1s}`:                          "not negative",
		`{minRuntime: soon}`:                         "minRuntime",
		`{minRuntime: 1d}`:                           "minRuntime",
		`{minRuntime: 99999999999h}`:                 "minRuntime",
		`{stop: Later}`:                              "Unsupported value",
		`{namespaceSelector: {matchExpressions: [{key: team, operator: In}]}}`:                   "an operator is",
		`{namespaceSelector: {matchExpressions: [{key: team, operator: Exists, values: [a]}]}}`:  "an operator is",
		`{namespaceSelector: {matchExpressions: [{key: team, operator: Between, values: [a]}]}}`: "an operator is",
	} {
		err := a.client.Create(t.Context(), queue(t, "bad", spec))
		if err == nil {
			t.Errorf("%s: taken", spec)
			if err := a.client.Delete(t.Context(), queue(t, "bad", spec)); err != nil {
				t.Error(err)
			}
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, want it to say %q", spec, err, want)
		}
	}
	if err := a.client.Create(t.Context(), queue(t, strings.Repeat("a", 64), `{}`)); err == nil || !strings.Contains(err.Error(), "at most 63 characters") {
		t.Errorf("a name of 64 characters: got %v", err)
	}
}

func (a admin) testQueueDefaults(t *testing.T) {
	q := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "scheduling.muster.dev/v1alpha1", "kind": "Queue", "metadata": map[string]any{"name": "bare"}}}
	if err := a.client.Create(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"weight": int64(1), "reclaimable": true, "stop": "None"}
	if got := q.Object["spec"]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("spec is %v, want %v", got, want)
	}
}

// testQueueDeletion waits until the policy is in force, which the API server
// needs a moment for.
func (a admin) testQueueDeletion(t *testing.T) {
	q := queue(t, "busy", `{}`)
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		q = queue(t, "busy", `{}`)
		if err := a.client.Create(ctx, q); err != nil {
			return false, err
		}
		if err := a.setGangs(ctx, q, 3, 2); err != nil {
			return false, err
		}
		last = a.client.Delete(ctx, q)
		return last != nil, nil
	})
	if err != nil || !strings.Contains(last.Error(), "queue busy has 3 admitted and 2 pending gangs") {
		t.Fatalf("a queue with gangs is deleted (%v), or the refusal does not say how many: %v", err, last)
	}
	for _, gangs := range [][2]int64{{0, 2}, {3, 0}} {
		if err := a.setGangs(t.Context(), q, gangs[0], gangs[1]); err != nil {
			t.Fatal(err)
		}
		if err := a.client.Delete(t.Context(), q); err == nil {
			t.Fatalf("a queue with %d admitted and %d pending gangs is deleted", gangs[0], gangs[1])
		}
	}
	if err := a.setGangs(t.Context(), q, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := a.client.Delete(t.Context(), q); err != nil {
		t.Errorf("an empty queue is not deleted: %v", err)
	}
}

func (a admin) setGangs(ctx context.Context, q *unstructured.Unstructured, admitted, pending int64) error {
	patch := fmt.Sprintf(`{"status": {"admittedGangs": %d, "pendingGangs": %d}}`, admitted, pending)
	return a.client.Status().Patch(ctx, q, client.RawPatch("application/merge-patch+json", []byte(patch)))
}
