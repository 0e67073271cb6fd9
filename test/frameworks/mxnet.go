package frameworks

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
)

// readMXNet does what ps-lite does with DMLC_*: the scheduler listens at the root's address, and waits for as many
// servers and workers as it is told. BytePS takes a worker's number from DMLC_WORKER_ID. MX_CONFIG tells tuners the same
// in another way.
func readMXNet(j *job) {
	j.agree("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_SERVER", "DMLC_NUM_WORKER")
	counts := map[string]int{}
	for _, p := range j.processes {
		counts[p.text("DMLC_ROLE")]++
	}
	workers := map[int]*process{}
	for _, p := range j.processes {
		for role, variable := range map[string]string{"server": "DMLC_NUM_SERVER", "worker": "DMLC_NUM_WORKER"} {
			if n := p.number(variable); n != counts[role] {
				p.fault("%s=%d, but there are %d", variable, n, counts[role])
			}
		}
		if counts["scheduler"] > 0 {
			p.reach(p.address("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT"), "the scheduler", func(there *process) bool {
				return there.env["DMLC_ROLE"] == "scheduler"
			})
		}
		if p.env["DMLC_ROLE"] == "worker" {
			id := p.number("DMLC_WORKER_ID")
			if other := workers[id]; other != nil || id < 0 || id >= counts["worker"] {
				p.fault("DMLC_WORKER_ID=%d of %d", id, counts["worker"])
			}
			workers[id] = p
		}
		p.readMXConfig()
	}
	if counts["scheduler"] > 1 {
		j.processes[0].fault("%d schedulers", counts["scheduler"])
	}
}

// mxConfig is what MX_CONFIG says.
type mxConfig struct {
	Cluster map[string][]struct {
		URL  string `json:"url"`
		Port int    `json:"port"`
	} `json:"cluster"`
	Labels map[string]string `json:"labels"`
	Task   struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	} `json:"task"`
}

// readMXConfig checks that MX_CONFIG lists all processes by their roles, and this one as itself.
func (p *process) readMXConfig() {
	var config mxConfig
	decoder := json.NewDecoder(strings.NewReader(p.text("MX_CONFIG")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		p.fault("MX_CONFIG: %v", err)
		return
	}
	if config.Task.Type != p.env["DMLC_ROLE"] {
		p.fault("MX_CONFIG says %q, DMLC_ROLE %q", config.Task.Type, p.env["DMLC_ROLE"])
	}
	listed := map[*process]bool{}
	for role, members := range config.Cluster {
		if _, ok := config.Labels[role]; !ok {
			p.fault("MX_CONFIG has no label for %s", role)
		}
		for i, member := range members {
			own := role == config.Task.Type && i == config.Task.Index
			p.reach(net.JoinHostPort(member.URL, fmt.Sprint(member.Port)), "MX_CONFIG", func(there *process) bool {
				listed[there] = true
				return there.env["DMLC_ROLE"] == role && (there == p) == own
			})
		}
	}
	if len(listed) != len(p.job.processes) {
		p.fault("MX_CONFIG lists %d of %d", len(listed), len(p.job.processes))
	}
}
