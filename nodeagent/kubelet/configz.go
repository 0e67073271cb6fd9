package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// TopologyManager is how the kubelet aligns what a pod gets.
type TopologyManager struct {
	Policy string // none, best-effort, restricted or single-numa-node; empty: unknown
	Scope  string // container or pod; empty: unknown
}

// maxConfiguration is far more than a kubelet's configuration needs.
const maxConfiguration = 4 << 20

// ReadTopologyManager asks the kubelet at the address, such as
// https://10.0.0.7:10250, for its configuration. The client has to bring the
// credentials: the kubelet asks for the right to get nodes/configz.
func ReadTopologyManager(ctx context.Context, client *http.Client, address string) (TopologyManager, error) {
	var found TopologyManager
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/configz", nil)
	if err != nil {
		return found, fmt.Errorf("addressing the kubelet: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return found, fmt.Errorf("asking the kubelet for its configuration: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end or given up; nothing is left to lose
	if response.StatusCode != http.StatusOK {
		return found, fmt.Errorf("asking the kubelet for its configuration: %s", response.Status)
	}
	var answer struct {
		Config struct {
			Policy string `json:"topologyManagerPolicy"`
			Scope  string `json:"topologyManagerScope"`
		} `json:"kubeletconfig"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxConfiguration)).Decode(&answer); err != nil {
		return found, fmt.Errorf("reading the kubelet's configuration: %w", err)
	}
	return TopologyManager{Policy: answer.Config.Policy, Scope: answer.Config.Scope}, nil
}
