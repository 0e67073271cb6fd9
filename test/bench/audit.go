package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	auditLog    = "audit.log"
	auditPolicy = "audit-policy.yaml"
)

// auditRules tell the API server to log what is written, and not what.
const auditRules = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: None, userGroups: ["system:authenticated"], nonResourceURLs: ["*"]}
- {level: Metadata}
`

// auditArgs make an API server log who writes into a directory.
func auditArgs(dir string) ([]string, error) {
	policy := filepath.Join(dir, auditPolicy)
	if err := os.WriteFile(policy, []byte(auditRules), 0o600); err != nil {
		return nil, fmt.Errorf("writing the audit policy: %w", err)
	}
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + filepath.Join(dir, auditLog), "--audit-log-maxsize=1000"}, nil
}

// writers are those whose writes count: the beginnings of their user agents.
var writers = []string{"muster-manager", "muster-scheduler"}

// writes counts what the writers asked an API server to write, by writer, verb and resource.
type writes struct {
	counts map[string]int
	// status is how many of them wrote the status of an object.
	status int
}

// readWrites reads an audit log.
func readWrites(path string) (writes, error) {
	file, err := os.Open(path)
	if err != nil {
		return writes{}, fmt.Errorf("reading the audit log: %w", err)
	}
	defer file.Close()
	all := writes{counts: map[string]int{}}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb, UserAgent string
			ObjectRef       struct{ Resource, Subresource string }
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			continue // the line that is being written
		}
		agent, _, _ := strings.Cut(event.UserAgent, "/")
		if !slices.Contains(writers, agent) {
			continue
		}
		resource := event.ObjectRef.Resource
		if event.ObjectRef.Subresource != "" {
			resource += "/" + event.ObjectRef.Subresource
		}
		all.counts[agent+" "+event.Verb+" "+resource]++
	}
	if err := lines.Err(); err != nil {
		return all, fmt.Errorf("reading the audit log: %w", err)
	}
	return all.counted(), nil
}

// counted fills in what the counts come to.
func (w writes) counted() writes {
	w.status = 0
	for what, n := range w.counts {
		if strings.HasSuffix(what, "/status") {
			w.status += n
		}
	}
	return w
}

// since is what was written after others.
func (w writes) since(before writes) writes {
	later := writes{counts: map[string]int{}}
	for what, n := range w.counts {
		if more := n - before.counts[what]; more > 0 {
			later.counts[what] = more
		}
	}
	return later.counted()
}

// of is what one writer wrote.
func (w writes) of(writer string) writes {
	own := writes{counts: maps.Clone(w.counts)}
	maps.DeleteFunc(own.counts, func(what string, _ int) bool { return !strings.HasPrefix(what, writer+" ") })
	return own.counted()
}

func (w writes) sum() int {
	total := 0
	for _, n := range w.counts {
		total += n
	}
	return total
}

func (w writes) perJob(jobs int) float64 { return float64(w.sum()) / float64(jobs) }

// String lists what was written, in order.
func (w writes) String() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(w.counts)) {
		parts = append(parts, fmt.Sprintf("%d × %s", w.counts[what], what))
	}
	return strings.Join(parts, ", ")
}
