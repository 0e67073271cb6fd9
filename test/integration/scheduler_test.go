package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/internal/localcluster"
)

// A PodGroup goes from Pending through Running to Finished; that it started is told once, on the PodGroup, and not for
// every pod.
func TestPhasesAndEvents(t *testing.T) {
	e := setUp(t, node("small", cpu(1)))
	e.gang("gang", 3, cpu(1), annotation(localcluster.RunForAnnotation, "3s"))
	e.expectPhase("gang", podgroupv1alpha1.PodGroupPending)
	e.expectUnschedulable("gang")
	e.expectEvent("PodGroup", "gang", "ExceedsCluster", "1 of the 3 members")
	e.createNodes(node("large", cpu(2)))
	e.expectPhase("gang", podgroupv1alpha1.PodGroupRunning)
	e.expectPhase("gang", podgroupv1alpha1.PodGroupFinished)
	told := 0
	for _, event := range e.events("PodGroup", "gang") {
		if event.Reason == "Scheduled" {
			told += max(1, int(event.Count))
		}
	}
	if told != 1 {
		t.Errorf("%d events say that the gang started, want 1", told)
	}
	for _, name := range []string{"gang-0", "gang-1", "gang-2"} {
		if slices.ContainsFunc(e.events("Pod", name), func(event corev1.Event) bool { return event.Reason == "Scheduled" }) {
			t.Errorf("an event says that pod %s was scheduled; one for the gang is enough", name)
		}
	}
}

// A pod of no gang has the event that users of kube-scheduler know.
func TestSinglePodHasItsEvent(t *testing.T) {
	e := setUp(t, node("node", cpu(1)))
	e.createPods(pod("single", "", cpu(1)))
	e.expectPodBound("single")
	e.expectEvent("Pod", "single", "Scheduled", "to node")
}

func (e *env) expectPhase(gang string, phase podgroupv1alpha1.PodGroupPhase) {
	e.Helper()
	e.eventually(fmt.Sprintf("PodGroup %s is %s", gang, phase), func(context.Context) (bool, string) {
		now := e.getPodGroup(gang).Status.Phase
		return now == phase, string(now)
	})
}

// Of two schedulers one leads, with the configuration that is built in; the other takes over when it dies. Both answer
// probes, and those who may ask for metrics get them.
func TestLeaderElection(t *testing.T) {
	e := setUp(t, nodes(2, cpu(3))...)
	e.do(shared.cluster.StopScheduler())
	stopped := true
	e.Cleanup(func() {
		if stopped {
			e.do(shared.cluster.StartScheduler(context.Background()))
		}
	})
	start := func() (*child, string) {
		port := e.freePort()
		return e.startChild("--kubeconfig="+shared.cluster.Kubeconfig(), "--bind-address=127.0.0.1", "--secure-port="+port,
			"--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s", "--leader-elect-retry-period=500ms"), "https://127.0.0.1:" + port
	}
	first, address := start()
	leader := e.expectLeader("")
	_, other := start()
	for _, address := range []string{address, other} {
		for _, path := range []string{"/healthz", "/readyz", "/livez"} {
			e.expectAnswer(address+path, true, http.StatusOK, "ok")
		}
	}
	e.gang("before", 3, cpu(1))
	e.expectBound("before", 3)
	e.expectAnswer(address+"/metrics", true, http.StatusOK, `muster_plan_duration_seconds_count{outcome="placed"} 1`)
	e.expectAnswer(address+"/metrics", false, http.StatusForbidden, "")

	first.kill()
	e.gang("after", 3, cpu(1))
	e.expectLeader(leader)
	e.expectBound("after", 3)
	stopped = false
	e.do(shared.cluster.StartScheduler(e.Context()))
}

// expectLeader waits until the lease names a scheduler other than that, and returns its name.
func (e *env) expectLeader(otherThan string) (leader string) {
	e.Helper()
	e.eventually("a scheduler leads", func(ctx context.Context) (bool, string) {
		lease := &coordinationv1.Lease{}
		if err := e.client.Get(ctx, client.ObjectKey{Namespace: "muster-system", Name: "muster-scheduler"}, lease); err != nil {
			return false, err.Error()
		}
		if lease.Spec.HolderIdentity != nil {
			leader = *lease.Spec.HolderIdentity
		}
		return leader != "" && leader != otherThan, "the leader is " + leader
	})
	return leader
}

func (e *env) freePort() string {
	e.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	e.do(err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	e.do(err)
	return port
}

// expectAnswer waits until the address answers with the status and the words, to the administrator or to somebody unknown.
func (e *env) expectAnswer(url string, known bool, status int, words string) {
	e.Helper()
	config := shared.cluster.RESTConfig()
	config.CAData, config.Insecure = nil, true // the scheduler signs its certificate itself
	httpClient, err := rest.HTTPClientFor(config)
	e.do(err)
	if !known {
		httpClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	}
	defer httpClient.CloseIdleConnections()
	e.eventually(fmt.Sprintf("%s answers %d with %q", url, status, words), func(ctx context.Context) (bool, string) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err.Error()
		}
		response, err := httpClient.Do(request)
		if err != nil {
			return false, err.Error()
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return false, err.Error()
		}
		return response.StatusCode == status && strings.Contains(string(body), words), fmt.Sprintf("%s: %.200s", response.Status, body)
	})
}
