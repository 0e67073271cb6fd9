package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of /proc/PID/stat: Linux shows user space 100 of them on every architecture.
const ticksPerSecond = 100

// cpuSeconds is the CPU time (user and system) that a process has used so far, to a hundredth of a second.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return parseStat(b)
}

// peakMiB is the largest amount of memory that a process has had resident so far. The process itself is asked, not
// wait4's ru_maxrss: that also counts what the parent had at the time of the fork.
func peakMiB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	return parseStatus(b)
}

// parseStat finds utime and stime in /proc/PID/stat: fields 14 and 15, counted behind the command's name, which may
// hold anything but ends with the last parenthesis.
func parseStat(stat []byte) (float64, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("parsing /proc/PID/stat: %d fields", len(fields))
	}
	user, err := strconv.ParseUint(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parsing utime in /proc/PID/stat: %w", err)
	}
	system, err := strconv.ParseUint(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parsing stime in /proc/PID/stat: %w", err)
	}
	return float64(user+system) / ticksPerSecond, nil
}

// parseStatus finds VmHWM, the high-water mark of resident memory, in /proc/PID/status.
func parseStatus(status []byte) (float64, error) {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err != nil {
				return 0, fmt.Errorf("parsing VmHWM in /proc/PID/status: %w", err)
			}
			return kib / 1024, nil
		}
	}
	return 0, fmt.Errorf("parsing /proc/PID/status: no VmHWM")
}

// meter measures what the processes of a measurement use from its start on.
type meter struct {
	// pids are the processes by the beginning of the names of their metrics.
	pids  map[string]int
	start map[string]float64
}

// startMeter begins to count the CPU time of the children and of this process.
func startMeter(children []*child) (*meter, error) {
	m := &meter{pids: map[string]int{"load": os.Getpid()}, start: map[string]float64{}}
	for _, c := range children {
		m.pids[c.role] = c.cmd.Process.Pid
	}
	for name, pid := range m.pids {
		cpu, err := cpuSeconds(pid)
		if err != nil {
			return nil, err
		}
		m.start[name] = cpu
	}
	return m, nil
}

// read adds what each process has used to the values of a result: CPU since the start, and the peak of its memory.
func (m *meter) read(values map[string]float64) error {
	for name, pid := range m.pids {
		cpu, err := cpuSeconds(pid)
		if err != nil {
			return err
		}
		values[name+"_cpu_s"] = cpu - m.start[name]
		if name == "load" {
			continue // its memory is no figure of the system under test
		}
		if values[name+"_peak_mib"], err = peakMiB(pid); err != nil {
			return err
		}
	}
	return nil
}
