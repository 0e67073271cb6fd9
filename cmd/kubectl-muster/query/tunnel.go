package query

import (
	"context"
	"fmt"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/muster-scheduling/muster/cmd/kubectl-muster/kube"
)

// throughPod reaches the scheduler in a pod by a port that the API server forwards, as kubectl port-forward does.
//
// Inside of that tunnel, and nowhere else, the scheduler's certificate is not verified: by default the scheduler signs
// one for itself when it starts, and nothing could vouch for it. What vouches for the other end is the API server, whose
// certificate is verified and which connects to the very pod of muster-system that was asked for. To stand in for it one
// would have to be the API server or the pod's kubelet, or be able to write pods in muster-system, and who is that can
// read the credentials of the scheduler itself.
func throughPod(ctx context.Context, config *rest.Config, pod *corev1.Pod) (*Client, error) {
	if pod.Status.Phase != corev1.PodRunning {
		return nil, fmt.Errorf("the scheduler's pod %s/%s is %s, not Running", pod.Namespace, pod.Name, pod.Status.Phase)
	}
	port, stop, err := forward(ctx, config, pod.Name, securePort(pod))
	if err != nil {
		return nil, fmt.Errorf("forwarding a port to the scheduler's pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	address := fmt.Sprintf("https://127.0.0.1:%d", port)
	client, err := newClient(credentials(config, address, rest.TLSClientConfig{Insecure: true}), stop)
	if err != nil {
		stop()
		return nil, err
	}
	client.name = fmt.Sprintf("in pod %s/%s", pod.Namespace, pod.Name)
	return client, nil
}

// securePort is the port called https of a container of the pod, else kube-scheduler's own.
func securePort(pod *corev1.Pod) int32 {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == "https" {
				return p.ContainerPort
			}
		}
	}
	return 10259
}

// forward forwards a free port of this machine to a port of a pod of the installation, until stop is called or the
// context ends.
func forward(ctx context.Context, config *rest.Config, pod string, remote int32) (local uint16, stop func(), err error) {
	// The tunnel lives longer than a request may take.
	config = rest.CopyConfig(config)
	config.Timeout = 0
	dialer, err := dialer(config, pod)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("0:%d", remote)}, ready, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return 0, nil, err
	}
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err = <-ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	var ports []portforward.ForwardedPort
	if err == nil {
		ports, err = forwarder.GetPorts()
	}
	if err != nil {
		cancel()
		return 0, nil, err
	}
	stop = func() {
		cancel()
		<-ended
	}
	return ports[0].Local, stop, nil
}

// dialer opens the tunnel over a WebSocket, and over SPDY where the API server or a proxy cannot do that.
func dialer(config *rest.Config, pod string) (httpstream.Dialer, error) {
	reader, err := kube.NewReader(config)
	if err != nil {
		return nil, err
	}
	address := reader.PortForwardURL(namespace, pod)
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	overSPDY := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	overWebSocket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(address, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(overWebSocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}
