package frameworks

import "net"

// readPaddle does what paddle.distributed.launch does: the node whose own address is that of the master runs a store
// there, and the others, as many as there are nodes in all, register in it and are given their ranks.
func readPaddle(j *job) {
	j.agree("PADDLE_JOB_ID", "PADDLE_NNODES")
	var masters []*process
	for _, p := range j.processes {
		if host, _, err := net.SplitHostPort(p.env["PADDLE_MASTER"]); err == nil && host == p.pod.Status.PodIP {
			masters = append(masters, p)
		}
	}
	if len(masters) != 1 {
		j.processes[0].fault("%d of the nodes are the master", len(masters))
		return
	}
	_, port, _ := net.SplitHostPort(masters[0].env["PADDLE_MASTER"])
	servers := 0
	for _, p := range j.processes {
		p.text("PADDLE_JOB_ID")
		if n := p.number("PADDLE_NNODES"); n != len(j.processes) {
			p.fault("PADDLE_NNODES=%d of %d", n, len(j.processes))
		}
		p.reach(p.text("PADDLE_MASTER"), "the master", masters[0].is)
		if _, own, _ := net.SplitHostPort(p.env["PADDLE_MASTER"]); own != port {
			p.fault("the master listens at port %s, not at %s", port, own)
		}
		if p.has("PADDLE_SERVER_NUM") {
			servers++
		}
	}
	if servers > 0 {
		j.readServersAndTrainers(masters[0])
	}
}

// readServersAndTrainers checks that each node runs one parameter server or one trainer, and the master a server.
func (j *job) readServersAndTrainers(master *process) {
	trainers := 0
	for _, p := range j.processes {
		role := "PADDLE_SERVER_NUM"
		if !p.has(role) {
			role = "PADDLE_TRAINER_NUM"
			trainers++
		} else if p.has("PADDLE_TRAINER_NUM") {
			p.fault("is a server and a trainer")
		}
		if n := p.number(role); n != 1 {
			p.fault("%s=%d", role, n)
		}
	}
	if trainers == 0 {
		j.processes[0].fault("there are servers and no trainer")
	}
	if !master.has("PADDLE_SERVER_NUM") {
		master.fault("is the master and no server")
	}
}
