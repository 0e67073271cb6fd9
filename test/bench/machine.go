package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// thisMachine says where and when a benchmark runs, as far as the system tells.
func thisMachine(now time.Time) machine {
	m := machine{date: now.UTC().Format(time.RFC3339), cpu: runtime.GOARCH, cores: runtime.NumCPU(), memory: "unknown", rev: "unknown"}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.cpu = field(string(b), "model name", m.cpu)
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		kib := strings.TrimSuffix(field(string(b), "MemTotal", ""), " kB")
		if n, err := strconv.ParseInt(kib, 10, 64); err == nil {
			m.memory = fmt.Sprintf("%d GiB", (n+1<<19)>>20)
		}
	}
	if out, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		m.rev = strings.TrimSpace(string(out))
	}
	return m
}

// field is the value of the first "key : value" line, or the given default.
func field(text, key, absent string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return absent
}

// String is the machine in one line.
func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s (%s, revision %s)", m.cpu, m.cores, m.memory, m.date, m.rev)
}
