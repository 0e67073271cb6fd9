package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	gangs "github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/manifests"
)

// Pods that name a PodGroup that does not exist are told so, and start when it comes.
func TestMissingPodGroup(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.createPods(members("gang", 2, cpu(1))...)
	e.expectReason(gangs.PodGroupNotFound, 1)
	for _, name := range []string{"gang-0", "gang-1"} {
		e.expectEvent("Pod", name, "PodGroupNotFound", `PodGroup "gang" does not exist`)
	}
	e.expectNoneBound("gang")
	e.create(podGroup("gang", 2))
	e.expectBound("gang", 2)
}

// A PodGroup that cannot be met is told why, and its gang starts when it is mended.
func TestPodGroupToMend(t *testing.T) {
	whole := &env{T: t}
	whole.do(shared.cluster.StopManager()) // whose webhook would refuse most of them
	t.Cleanup(whole.startManager)
	for name, c := range map[string]struct {
		group  *podgroupv1alpha1.PodGroup
		reason gangs.Reason
		says   string
	}{
		"more members than pods":      {podGroup("gang", 5), gangs.WaitingForMembers, "3 of at least 5 members are there"},
		"annotation that is no JSON":  {podGroup("gang", 3, minMembers("ps=1")), gangs.Misconfigured, `"ps=1"`},
		"annotation of another shape": {podGroup("gang", 3, minMembers(`["ps"]`)), gangs.Misconfigured, "must be a JSON object of role to count"},
		"negative role":               {podGroup("gang", 3, minMembers(`{"ps":-1}`)), gangs.Misconfigured, `asks for -1 of role "ps"`},
		"roles beyond the minimum":    {podGroup("gang", 3, minMembers(`{"ps":2,"worker":2}`)), gangs.Misconfigured, "adds up to 4"},
		"role that no pod has":        {podGroup("gang", 3, minMembers(`{"chief":1}`)), gangs.WaitingForMembers, `0 of at least 1 members of role "chief"`},
	} {
		t.Run(name, func(t *testing.T) {
			e := setUp(t, node("node", cpu(3)))
			e.create(c.group)
			e.createPods(members("gang", 3, cpu(1))...)
			e.expectReason(c.reason, 1)
			e.expectEvent("PodGroup", "gang", string(c.reason), c.says)
			e.expectNoneBound("gang")
			if c.reason == gangs.WaitingForMembers {
				e.expectNotUnschedulable("gang")
			}
			faulty := e.getPodGroup("gang")
			mended := faulty.DeepCopy()
			mended.Annotations, mended.Spec.MinMember = nil, 3
			e.do(e.client.Patch(e.Context(), mended, client.MergeFrom(faulty))) // an update would meet the scheduler's own writes of the status
			e.expectBound("gang", 3)
		})
	}
}

// The API server itself refuses a minimum below 1, or the gang waits with a reason.
func TestMinMemberZero(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	for _, minMember := range []int32{0, -1} {
		group := podGroup("gang", minMember)
		group.Namespace = e.namespace
		err := e.client.Create(e.Context(), group)
		if err != nil {
			if !strings.Contains(err.Error(), "spec.minMember") {
				t.Errorf("minMember %d: the message does not name the field: %v", minMember, err)
			}
			continue
		}
		e.createPods(members("gang", 2, cpu(1))...)
		e.expectReason(gangs.Misconfigured, 1)
		e.expectEvent("PodGroup", "gang", "Misconfigured", "spec.minMember")
		e.expectNoneBound("gang")
		e.do(e.client.DeleteAllOf(e.Context(), &corev1.Pod{}, client.InNamespace(e.namespace)))
		e.delete(group)
	}
}

// expectNotUnschedulable checks that no autoscaler is told to make room for a gang that does not lack any.
func (e *env) expectNotUnschedulable(gang string) {
	e.Helper()
	for _, p := range shared.watcher.in(e.namespace) {
		if c := scheduledCondition(p); gangOf(p) == e.namespace+"/"+gang && c != nil && c.Reason == corev1.PodReasonUnschedulable {
			e.Errorf("pod %s is marked as unschedulable: %s", p.Name, c.Message)
		}
	}
}

// A scheduler whose configuration is wrong does not start, and names the field.
func TestBadSchedulerConfiguration(t *testing.T) {
	shipped := string(manifests.SchedulerConfig)
	for name, c := range map[string]struct{ from, to, says string }{
		"unknown field":              {"podMaxBackoffSeconds: 10", "podMaxBackoff: 10", "podMaxBackoff"},
		"negative value":             {"podInitialBackoffSeconds: 1", "podInitialBackoffSeconds: -1", "podInitialBackoffSeconds"},
		"unknown plugin":             {"name: FairShare", "name: GangDoor", "GangDoor"},
		"unknown plugin argument":    {"brokenGangGracePeriod: 5m", "brokenGangGrace: 5m", "brokenGangGrace"},
		"negative plugin argument":   {"brokenGangGracePeriod: 5m", "brokenGangGracePeriod: -5m", "brokenGangGracePeriod"},
		"plugin argument of a shape": {"brokenGangGracePeriod: 5m", "brokenGangGracePeriod: soon", "soon"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "scheduler.yaml")
			changed := strings.Replace(shipped, c.from, c.to, 1)
			if changed == shipped {
				t.Fatalf("the shipped configuration has no %q", c.from)
			}
			changed = strings.Replace(changed, "clientConnection:\n", "clientConnection:\n  kubeconfig: "+shared.cluster.Kubeconfig()+"\n", 1)
			if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			expectRefusal(t, c.says, "--config="+file, "--secure-port=0")
		})
	}
	t.Run("no file", func(t *testing.T) {
		expectRefusal(t, "missing.yaml", "--config="+filepath.Join(t.TempDir(), "missing.yaml"), "--secure-port=0")
	})
	t.Run("unknown flag", func(t *testing.T) { expectRefusal(t, "--no-such-flag", "--no-such-flag") })
}
