package frameworks

import (
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// readXGBoost does what programs for XGBoost and LightGBM do. Rank 0 runs the tracker at the master's address, where all
// ranks register. LightGBM needs a list of machines instead: the master and then the workers, each with its port, in
// which a process finds its own rank by its own address.
func readXGBoost(j *job) {
	size := len(j.processes)
	j.agree("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "WORKER_ADDRS", "WORKER_PORT")
	j.ranks(size, func(p *process) []int { return []int{p.number("RANK")} })
	for _, p := range j.processes {
		if n := p.number("WORLD_SIZE"); n != size {
			p.fault("WORLD_SIZE=%d of %d", n, size)
		}
		tracker := p.address("MASTER_ADDR", "MASTER_PORT")
		p.reach(tracker, "the tracker", func(there *process) bool { return there.env["RANK"] == "0" })
		machines := []string{tracker}
		if size > 1 {
			for host := range strings.SplitSeq(p.text("WORKER_ADDRS"), ",") {
				machines = append(machines, net.JoinHostPort(host, p.text("WORKER_PORT")))
			}
		}
		p.readMachines(machines)
	}
}

// readMachines checks that the machines of a list are all processes of the job, in the order of their ranks.
func (p *process) readMachines(machines []string) {
	if len(machines) != len(p.job.processes) {
		p.fault("%d machines: %v", len(machines), machines)
		return
	}
	for rank, machine := range machines {
		p.reach(machine, "machine", func(there *process) bool { return there.number("RANK") == rank })
	}
	if slices.Sort(machines); len(slices.Compact(machines)) != len(p.job.processes) {
		p.fault("a machine is listed twice: %v", machines)
	}
}

// readTracker does what XGBoost's collective does with DMLC_*: task 0 runs the tracker, where as many workers register as
// there are GPUs, or pods without any.
func readTracker(j *job) {
	j.agree("DMLC_TRACKER_URI", "DMLC_TRACKER_PORT", "DMLC_NUM_WORKER")
	j.ranks(len(j.processes), func(p *process) []int { return []int{p.number("DMLC_TASK_ID")} })
	for _, p := range j.processes {
		gpus := p.container.Resources.Limits[corev1.ResourceName("nvidia.com/gpu")]
		if n, want := p.number("DMLC_NUM_WORKER"), len(j.processes)*max(1, int(gpus.Value())); n != want {
			p.fault("DMLC_NUM_WORKER=%d of %d", n, want)
		}
		p.reach(p.address("DMLC_TRACKER_URI", "DMLC_TRACKER_PORT"), "the tracker", func(there *process) bool {
			return there.env["DMLC_TASK_ID"] == "0"
		})
	}
}
