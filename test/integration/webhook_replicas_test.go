package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// Two replicas of the manager: both answer, one leads. When that one dies, the other answers on, and leads.
func TestReplicasOfTheManager(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	notebook := podLabel(notebookLabel, "ann")
	e.withoutManager(func() {
		leading := e.startReplica()
		var holder string
		e.eventually("the first replica leads", func(ctx context.Context) (bool, string) {
			holder = e.leader(ctx)
			return holder != "", ""
		})
		standing := e.startReplica()
		service := &service{backends: []string{standing.webhooks}}
		e.callWebhooksAt(service.listen(t), nil) // the replicas tell the API server whom to trust

		e.eventually("the one that does not lead answers", func(context.Context) (bool, string) {
			return e.wouldBe(foreign("pod", notebook)).Spec.SchedulerName == "muster", ""
		})
		failing := e.policy("failing", "pod.spec.subdomain == 'x'", setsLabel("failing"))
		e.create(failing)
		e.expectPolicy(failing, schedulingv1alpha1.ReasonReady)
		e.eventually("it tells on the policy's status what only it saw", func(context.Context) (bool, string) {
			e.wouldBe(foreign("pod"))
			return now(e, failing).Status.Conditions[0].Reason == schedulingv1alpha1.ReasonExpressionFailed, ""
		})
		if now := e.leader(t.Context()); now != holder {
			t.Errorf("%s leads, expected %s to go on", now, holder)
		}

		service.set(leading.webhooks, standing.webhooks)
		leading.kill()
		for range 20 {
			if got := e.wouldBe(foreign("pod", notebook)).Spec.SchedulerName; got != "muster" {
				t.Errorf("after the death of the leader a pod has scheduler %q", got)
			}
		}
		e.eventually("the other leads", func(ctx context.Context) (bool, string) {
			leader := e.leader(ctx)
			return leader != "" && leader != holder, leader
		})
		later := e.policy("later", "true", setsLabel("later"))
		e.create(later)
		e.expectPolicy(later, schedulingv1alpha1.ReasonReady)
	})
}

// leader is who holds the manager's lease; "" for nobody.
func (e *env) leader(ctx context.Context) string {
	e.Helper()
	lease := &coordinationv1.Lease{}
	err := e.client.Get(ctx, client.ObjectKey{Namespace: "muster-system", Name: "muster-manager"}, lease)
	if client.IgnoreNotFound(err) != nil {
		e.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// replica is a muster-manager in a process of its own.
type replica struct {
	*child
	webhooks string
}

// startReplica returns once the replica is ready.
func (e *env) startReplica() *replica {
	e.Helper()
	webhooks, probes := e.freeAddress(), e.freeAddress()
	r := &replica{webhooks: webhooks, child: e.startProgram("muster-manager",
		"--kubeconfig="+shared.cluster.Kubeconfig(), "--leader-elect", "--metrics-bind-address=0",
		"--health-probe-bind-address="+probes, "--webhook-bind-address="+webhooks, "--webhook-host-names=localhost",
	)}
	e.eventually("the replica is ready", func(ctx context.Context) (bool, string) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+probes+"/readyz", nil)
		e.do(err)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, err.Error()
		}
		defer response.Body.Close()
		said, err := io.ReadAll(response.Body)
		return response.StatusCode == http.StatusOK, fmt.Sprintf("%s %v", said, err)
	})
	return r
}

// freeAddress is one that nobody listens on.
func (e *env) freeAddress() string {
	e.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	e.do(err)
	e.do(l.Close())
	return l.Addr().String()
}

// service passes connections on to the first backend that takes them, as a Service does with those that are ready.
type service struct {
	mu       sync.Mutex
	backends []string
}

func (s *service) set(backends ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backends = backends
}

// listen serves until the test ends, and returns where.
func (s *service) listen(t *testing.T) string {
	t.Helper()
	return listen(t, func(client net.Conn) {
		s.mu.Lock()
		backends := s.backends
		s.mu.Unlock()
		for _, address := range backends {
			backend, err := net.Dial("tcp", address)
			if err != nil {
				continue
			}
			go func() {
				_, _ = io.Copy(backend, client) // ends with the connection
				_ = backend.Close()
			}()
			_, _ = io.Copy(client, backend)
			break
		}
		_ = client.Close()
	}).address
}
