package frameworks

// readJAX does what jax.distributed.initialize does with coordinator_address, num_processes and process_id: process 0
// listens at the address, and waits for all others there.
func readJAX(j *job) {
	j.agree("COORDINATOR_ADDRESS", "COORDINATOR_PORT", "NUM_PROCESSES")
	j.ranks(len(j.processes), func(p *process) []int { return []int{p.number("PROCESS_ID")} })
	for _, p := range j.processes {
		if n := p.number("NUM_PROCESSES"); n != len(j.processes) {
			p.fault("NUM_PROCESSES=%d of %d", n, len(j.processes))
		}
		p.reach(p.address("COORDINATOR_ADDRESS", "COORDINATOR_PORT"), "the coordinator", func(there *process) bool {
			return there.env["PROCESS_ID"] == "0"
		})
	}
}

// readJAXByItself does what jax.distributed.initialize does with no arguments: it reads variables of its own.
func readJAXByItself(j *job) {
	j.agree("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES")
	j.ranks(len(j.processes), func(p *process) []int { return []int{p.number("JAX_PROCESS_ID")} })
	for _, p := range j.processes {
		if n := p.number("JAX_NUM_PROCESSES"); n != len(j.processes) {
			p.fault("JAX_NUM_PROCESSES=%d of %d", n, len(j.processes))
		}
		p.reach(p.text("JAX_COORDINATOR_ADDRESS"), "the coordinator", func(there *process) bool { return there.env["JAX_PROCESS_ID"] == "0" })
	}
}
