package frameworks

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// readPyTorch does what init_process_group does with env://, and torchrun with its PET_* variables: a program may be
// started by either.
func readPyTorch(j *job) {
	if j.processes[0].has("PET_RDZV_BACKEND") {
		readElastic(j)
		return
	}
	j.agree("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "PET_NNODES", "PET_NPROC_PER_NODE", "PET_MASTER_ADDR", "PET_MASTER_PORT")
	perNode := 1
	if n, err := strconv.Atoi(j.processes[0].env["PET_NPROC_PER_NODE"]); err == nil {
		perNode = n
	}
	world := len(j.processes) * perNode
	j.ranks(world, func(p *process) []int { // of the processes that the node starts
		var all []int
		for local, node := 0, p.number("RANK"); local < perNode; local++ {
			all = append(all, node*perNode+local)
		}
		return all
	})
	first := func(there *process) bool { return there.env["RANK"] == "0" }
	for _, p := range j.processes {
		if n := p.number("WORLD_SIZE"); n != world {
			p.fault("WORLD_SIZE=%d of %d", n, world)
		}
		p.reach(p.address("MASTER_ADDR", "MASTER_PORT"), "the store", first)
		run := p.torchrun()
		if run.least != len(j.processes) || run.most != len(j.processes) {
			p.fault("torchrun waits for %d to %d nodes of %d", run.least, run.most, len(j.processes))
		}
		if run.rank != p.number("RANK") {
			p.fault("rank %d of torchrun is not RANK=%s", run.rank, p.env["RANK"])
		}
		p.reach(net.JoinHostPort(run.masterAddress, fmt.Sprint(run.masterPort)), "torchrun's store", first)
	}
}

// readTorchrun does what torchrun does, where the program is always started by it.
func readTorchrun(j *job) {
	if j.processes[0].has("PET_RDZV_BACKEND") {
		readElastic(j)
		return
	}
	j.agree("PET_NNODES", "PET_NPROC_PER_NODE", "PET_MASTER_ADDR", "PET_MASTER_PORT")
	j.ranks(len(j.processes), func(p *process) []int { return []int{p.number("PET_NODE_RANK")} })
	for _, p := range j.processes {
		p.text("PET_NPROC_PER_NODE")
		run := p.torchrun()
		if run.least != len(j.processes) || run.most != len(j.processes) {
			p.fault("torchrun waits for %d to %d nodes of %d", run.least, run.most, len(j.processes))
		}
		p.reach(net.JoinHostPort(run.masterAddress, fmt.Sprint(run.masterPort)), "the store", func(there *process) bool {
			return there.env["PET_NODE_RANK"] == "0"
		})
	}
}

// readElastic does what torchrun does with a rendezvous: all nodes go to one endpoint, that of one of them with c10d and
// that of a server elsewhere with etcd, unless each is to run by itself.
func readElastic(j *job) {
	j.agree("PET_RDZV_ENDPOINT", "PET_RDZV_BACKEND", "PET_RDZV_ID", "PET_RDZV_CONF", "PET_NNODES", "PET_NPROC_PER_NODE",
		"PET_MAX_RESTARTS", "PET_STANDALONE")
	for _, p := range j.processes {
		run := p.torchrun()
		if len(j.processes) > run.most {
			p.fault("torchrun takes %d nodes of %d", run.most, len(j.processes))
		}
		switch run.backend {
		case "c10d":
			host, _, _ := net.SplitHostPort(run.endpoint)
			if _, err := p.resolve(host); err == nil || !strings.Contains(host, ".") {
				p.reach(run.endpoint, "the rendezvous", func(*process) bool { return true })
			}
		case "etcd", "etcd-v2":
			if _, _, err := net.SplitHostPort(run.endpoint); err != nil {
				p.fault("the rendezvous: %v", err)
			}
		default:
			p.fault("torchrun has no rendezvous %q", run.backend)
		}
	}
}

// torchrun is what torchrun's arguments come to. Their defaults are variables.
type torchrun struct {
	least, most       int // nodes
	rank              int
	masterAddress     string
	masterPort        int
	backend, endpoint string
}

// torchrun reads the variables as the parser of torchrun's arguments does; it reads all of them, needed or not.
func (p *process) torchrun() torchrun {
	run := torchrun{backend: p.or("PET_RDZV_BACKEND", "static"), endpoint: p.env["PET_RDZV_ENDPOINT"], masterAddress: p.or("PET_MASTER_ADDR", "127.0.0.1")}
	least, most, ranged := strings.Cut(p.or("PET_NNODES", "1:1"), ":")
	if !ranged {
		most = least
	}
	run.least, run.most = p.asNumber("PET_NNODES", least), p.asNumber("PET_NNODES", most)
	if run.least < 1 || run.least > run.most {
		p.fault("PET_NNODES=%s", p.env["PET_NNODES"])
	}
	run.rank = p.asNumber("PET_NODE_RANK", p.or("PET_NODE_RANK", "0"))
	run.masterPort = p.asNumber("PET_MASTER_PORT", p.or("PET_MASTER_PORT", "29500"))
	if n := p.or("PET_NPROC_PER_NODE", "1"); !slices.Contains([]string{"auto", "cpu", "gpu"}, n) && p.asNumber("PET_NPROC_PER_NODE", n) < 1 {
		p.fault("PET_NPROC_PER_NODE=%s", n)
	}
	p.asNumber("PET_MAX_RESTARTS", p.or("PET_MAX_RESTARTS", "0"))
	p.asNumber("PET_STANDALONE", p.or("PET_STANDALONE", "0")) // a flag is a number; nothing at all is none
	for setting := range strings.SplitSeq(p.env["PET_RDZV_CONF"], ",") {
		if key, _, ok := strings.Cut(setting, "="); setting != "" && (!ok || key == "") {
			p.fault("PET_RDZV_CONF: %q is no key=value", setting)
		}
	}
	return run
}

// or returns a variable, or what counts where it is not set at all.
func (p *process) or(name, absent string) string {
	if value, ok := p.env[name]; ok {
		return value
	}
	return absent
}

// asNumber is the value of a variable, as int() reads it.
func (p *process) asNumber(name, value string) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		p.fault("%s=%q: %q is no number", name, p.env[name], value)
		return -1
	}
	return n
}
