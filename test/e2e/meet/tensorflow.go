package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
)

// tfConfig is what TensorFlow reads from TF_CONFIG.
type tfConfig struct {
	Cluster map[string][]string `json:"cluster"`
	Task    struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	} `json:"task"`
}

// tensorflow is a task of the cluster that TF_CONFIG describes. A parameter server adds up what all workers send it, and
// then runs until it is stopped, as TensorFlow's does; a worker sends each of them its index.
func tensorflow() error {
	var config tfConfig
	if err := json.Unmarshal([]byte(os.Getenv("TF_CONFIG")), &config); err != nil {
		return fmt.Errorf("TF_CONFIG: %w", err)
	}
	task := config.Task
	if addresses := config.Cluster[task.Type]; task.Index >= len(addresses) {
		return fmt.Errorf("%s %d is not among %v", task.Type, task.Index, addresses)
	}
	if task.Type == "ps" {
		_, port, err := net.SplitHostPort(config.Cluster["ps"][task.Index])
		if err != nil {
			return err
		}
		if err := serve(port, len(config.Cluster["worker"])); err != nil {
			return err
		}
		fmt.Printf("ps %d heard all workers\n", task.Index)
		stay()
		return nil
	}
	for i, address := range config.Cluster["ps"] {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		sum, err := contribute(host, port, task.Index)
		if err != nil {
			return fmt.Errorf("ps %d: %w", i, err)
		}
		fmt.Printf("worker %d: ps %d says that the workers add up to %d\n", task.Index, i, sum)
	}
	return nil
}
