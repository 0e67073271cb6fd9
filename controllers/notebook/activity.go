package notebook

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// parseKernels reads Jupyter's list of kernels, /api/kernels: a busy one is at work, of all others the last activity counts.
func parseKernels(data []byte) (activity, error) {
	var kernels []struct {
		State        string    `json:"execution_state"`
		LastActivity time.Time `json:"last_activity"`
	}
	if err := json.Unmarshal(data, &kernels); err != nil {
		return activity{}, fmt.Errorf("reading the list of kernels: %w", err)
	}
	if kernels == nil {
		return activity{}, errors.New("reading the list of kernels: it is null")
	}
	all := activity{known: true}
	for i, k := range kernels {
		if k.LastActivity.IsZero() && k.State != "busy" {
			return activity{}, fmt.Errorf("reading the list of kernels: number %d has no last_activity", i)
		}
		all = all.and(activity{known: true, busy: k.State == "busy", last: k.LastActivity})
	}
	return all, nil
}

// parseTerminals reads Jupyter's list of terminals, /api/terminals. What is typed or printed in one is activity.
func parseTerminals(data []byte) (activity, error) {
	var terminals []struct {
		LastActivity time.Time `json:"last_activity"`
	}
	if err := json.Unmarshal(data, &terminals); err != nil {
		return activity{}, fmt.Errorf("reading the list of terminals: %w", err)
	}
	if terminals == nil {
		return activity{}, errors.New("reading the list of terminals: it is null")
	}
	all := activity{known: true}
	for i, t := range terminals {
		if t.LastActivity.IsZero() {
			return activity{}, fmt.Errorf("reading the list of terminals: number %d has no last_activity", i)
		}
		all = all.and(activity{known: true, last: t.LastActivity})
	}
	return all, nil
}

// parseState reads what code-server's /healthz tells, or any other object that has last_activity or lastHeartbeat. A
// heartbeat of 0 means that there was none yet.
func parseState(data []byte) (activity, error) {
	var state struct {
		LastHeartbeat *int64     `json:"lastHeartbeat"` // milliseconds since 1970
		LastActivity  *time.Time `json:"last_activity"`
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return activity{}, fmt.Errorf("reading the last activity: %w", err)
	}
	a := activity{known: true}
	switch {
	case state.LastHeartbeat == nil && state.LastActivity == nil:
		return activity{}, errors.New("reading the last activity: there is neither last_activity nor lastHeartbeat")
	case state.LastHeartbeat != nil && *state.LastHeartbeat < 0:
		return activity{}, fmt.Errorf("reading the last activity: lastHeartbeat is %d", *state.LastHeartbeat)
	}
	if state.LastActivity != nil {
		a.last = *state.LastActivity
	}
	if state.LastHeartbeat != nil && *state.LastHeartbeat > 0 {
		a = a.and(activity{known: true, last: time.UnixMilli(*state.LastHeartbeat).UTC()})
	}
	return a, nil
}
