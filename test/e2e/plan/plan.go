// Package plan is what the program that prepares the end-to-end tests tells the tests themselves.
package plan

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/muster-scheduling/muster/test/e2e/nodes"
)

// Variable is the environment variable that holds a Plan as JSON. Without it there is no cluster to test on.
const Variable = "MUSTER_E2E"

// Plan says what there is.
type Plan struct {
	// Root is the repository.
	Root string
	// Cluster is the cluster to start.
	Cluster nodes.Config
	// Archives are images that only some tests need, by the images' names. Missing says of an image that could not be made why.
	Archives, Missing map[string]string
	// Logs is where the logs of a run that failed are kept.
	Logs string
}

// Read reads the plan from the environment; it is nil where there is none.
func Read() (*Plan, error) {
	text := os.Getenv(Variable)
	if text == "" {
		return nil, nil
	}
	p := &Plan{}
	if err := json.Unmarshal([]byte(text), p); err != nil {
		return nil, fmt.Errorf("read %s: %w", Variable, err)
	}
	return p, nil
}
