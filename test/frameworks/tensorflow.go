package frameworks

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
)

// tfConfig is what TF_CONFIG says.
type tfConfig struct {
	Cluster     map[string]tfTasks `json:"cluster"`
	Environment string             `json:"environment"`
	Task        struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	} `json:"task"`
}

// tfTasks are the addresses of the tasks of one type, by index. ClusterSpec takes a list of all, or an object of some.
type tfTasks map[int]string

// UnmarshalJSON implements json.Unmarshaler.
func (t *tfTasks) UnmarshalJSON(data []byte) error {
	*t = tfTasks{}
	var list []string
	if err := json.Unmarshal(data, &list); err == nil {
		for i, address := range list {
			(*t)[i] = address
		}
		return nil
	}
	var sparse map[string]string
	if err := json.Unmarshal(data, &sparse); err != nil {
		return err
	}
	for index, address := range sparse {
		i, err := strconv.Atoi(index)
		if err != nil {
			return fmt.Errorf("%q is no index of a task", index)
		}
		(*t)[i] = address
	}
	return nil
}

// readTensorFlow does what TFConfigClusterResolver and the strategies of tf.distribute do: each process finds itself in
// the cluster by type and index, listens at that address, and connects to all others. In a cluster that is told in part
// a worker knows itself and all parameter servers, and one of those knows nobody else. A program that is alone needs
// none of it.
func readTensorFlow(j *job) {
	if len(j.processes) == 1 {
		if p := j.processes[0]; p.has("TF_CONFIG") {
			p.fault("TF_CONFIG=%s, but nobody else is there", p.env["TF_CONFIG"])
		}
		return
	}
	configs := map[*process]tfConfig{}
	for _, p := range j.processes {
		var config tfConfig
		if err := json.Unmarshal([]byte(p.text("TF_CONFIG")), &config); err != nil {
			p.fault("TF_CONFIG: %v", err)
			return
		}
		configs[p] = config
	}
	whole := configs[j.processes[0]].Environment != "" // that of a cluster that is told in part has none
	union := map[string]tfTasks{}
	for p, config := range configs {
		p.readCluster(config)
		for role, tasks := range config.Cluster {
			if union[role] == nil {
				union[role] = tfTasks{}
			}
			maps.Copy(union[role], tasks)
		}
	}
	tasks := 0
	for role, all := range union {
		tasks += len(all)
		for index := range all {
			if index < 0 || index >= len(all) {
				j.processes[0].fault("task %s %d of %d", role, index, len(all))
			}
		}
	}
	if tasks != len(j.processes) {
		j.processes[0].fault("%d tasks for %d processes", tasks, len(j.processes))
	}
	for p, config := range configs {
		if whole {
			p.readWhole(config, union)
		} else {
			p.readPart(config, union)
		}
	}
}

// readCluster checks that a process finds itself in its cluster, and everybody at the address given.
func (p *process) readCluster(config tfConfig) {
	if config.Cluster[config.Task.Type][config.Task.Index] == "" {
		p.fault("task %s %d is not in the cluster", config.Task.Type, config.Task.Index)
	}
	for role, tasks := range config.Cluster {
		for index, address := range tasks {
			own := role == config.Task.Type && index == config.Task.Index
			p.reach(address, fmt.Sprintf("task %s %d", role, index), func(there *process) bool { return (there == p) == own })
		}
	}
	switch config.Task.Type {
	case "chief", "master", "worker", "ps", "evaluator":
	default:
		p.fault("no task is a %q", config.Task.Type)
	}
}

// readWhole checks what each process has to know of the cluster: all of it, with at most one chief.
func (p *process) readWhole(config tfConfig, all map[string]tfTasks) {
	if config.Environment != "cloud" {
		p.fault("environment %q", config.Environment)
	}
	if !reflect.DeepEqual(config.Cluster, all) {
		p.fault("knows of %v, but there is %v", config.Cluster, all)
	}
	if n := len(all["chief"]) + len(all["master"]); n > 1 {
		p.fault("%d chiefs", n)
	}
	if n := len(all["evaluator"]); n > 1 {
		p.fault("%d evaluators", n)
	}
}

// readPart checks what each process has to know of a cluster whose workers come and go.
func (p *process) readPart(config tfConfig, all map[string]tfTasks) {
	if config.Environment != "" {
		p.fault("environment %q, but others know a part of the cluster", config.Environment)
	}
	workers := tfTasks{}
	if config.Task.Type == "worker" {
		workers[config.Task.Index] = config.Cluster["worker"][config.Task.Index]
	}
	if !reflect.DeepEqual(config.Cluster, map[string]tfTasks{"worker": workers, "ps": all["ps"]}) {
		p.fault("knows of %v, not of itself and the parameter servers %v", config.Cluster, all["ps"])
	}
}
