# Everything that a developer runs, by name. `make help` lists it.
# Needs Go, a C compiler (for the race detector) and the Go module proxy; the rest is built here.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build test bench demo up lint generate clean tools e2e e2e-programs

# Static binaries; and one setting everywhere, so that builds and tests share one build cache.
export CGO_ENABLED := 0

# What `muster-scheduler --version` names: the release of Kubernetes that it is built from.
kubernetes := $(shell awk '$$1 == "k8s.io/kubernetes" {print $$2; exit}' go.mod)

# Without symbol tables the binaries are a third smaller and link faster; panics keep their stack traces.
ldflags := -ldflags='-s -w -X k8s.io/component-base/version.gitVersion=$(kubernetes)'

# Where a race would hide: what several goroutines use at once. internal/gang and internal/resource start none, and are
# covered by the plugins that call them. Nothing that contains kube-apiserver: compiling that a second time, for the race
# detector, costs more than it finds.
race := ./plugins/... ./controllers/... ./webhooks/... ./nodeagent/...

# All programs but the node agent, which needs cgo to load NVIDIA's library.
programs := $(addprefix ./,$(filter-out cmd/muster-node-agent,$(wildcard cmd/*)))

# Reads the package names that `go build -v` prints and says how far a cold build is; passes on all else.
progress := awk '/^[^ \#]+\/[^ ]+$$|^[a-z]+$$/ { \
	if (++n == 100) print "first build here: compiling Kubernetes and etcd, some 2,600 packages, takes about 7 minutes on 2 cores"; \
	if (n % 250 == 0) print "  " n " packages compiled"; fflush(); next } \
	{ print; fflush() }'

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## every program under cmd/, in bin/; static, but for the node agent
	@echo "building bin/: $(notdir $(wildcard cmd/*))"
	@go build -v $(ldflags) -o bin/ $(programs) 2>&1 | $(progress)
	@cgo=1; if ! command -v $$(go env CC | cut -d' ' -f1) >/dev/null || \
		[[ -z $${CC:-} && "$$(go env GOOS GOARCH)" != "$$(go env GOHOSTOS GOHOSTARCH)" ]]; then \
		cgo=0; echo "built without NVML: bin/muster-node-agent. It will find no GPU; it needs a C compiler for the target, set CC"; fi; \
	CGO_ENABLED=$$cgo go build $(ldflags) -o bin/ ./cmd/muster-node-agent

test: build ## go vet and all tests; minutes on 2 cores, up to 45 on a machine that has compiled nothing yet
	@echo "go vet"
	@go vet ./...
	@echo "tests under the race detector (its own build of kube-scheduler takes some minutes, once)"
	@CGO_ENABLED=1 go test -race -vet=off -timeout=15m $(race)
	@echo "the GPUs of this machine, if it has any"
	@CGO_ENABLED=1 go test -race -vet=off -v -run='^TestRealGPUs$$' ./nodeagent/gpus
	@echo "the sshd and mpirun of this machine, if it has them"
	@go test -vet=off -ldflags='-s -w' -v -run='^TestWithSSHDAndMPIRun$$' ./controllers/training
	@echo "all tests, those against a real API server among them"
	@go test -vet=off -ldflags='-s -w' -p=2 -timeout=20m ./...
	@echo "the API types, compared with those of Kubeflow's operators"
	@go -C test/oracle test -count=1 ./... # it reads files of another module, which Go does not watch

bench: ## throughput against upstream's gang scheduling and no scheduler at all; ARGS='-help' lists its flags
	@go build -v $(ldflags) -o bin/bench ./test/bench 2>&1 | $(progress)
	@bin/bench $(ARGS)

e2e: ## tests on real kubelets and containers, as root; says so where the machine cannot; ARGS='-test.run=MPI' for some
	@go build $(ldflags) -o bin/e2e/run ./test/e2e/run
	@bin/e2e/run $(ARGS)

# Called by bin/e2e/run once it knows that the machine can. The control plane and CoreDNS have modules of their own.
e2e-programs:
	@echo "building bin/e2e: kubelet, kube-apiserver and the others; CoreDNS; what runs in containers"
	@go -C test/e2e/kubernetes build -v $(ldflags) -o $(CURDIR)/bin/e2e/programs/ tool 2>&1 | $(progress)
	@go -C test/e2e/coredns build -v $(ldflags) -o $(CURDIR)/bin/e2e/programs/ . 2>&1 | $(progress)
	@go build $(ldflags) -o bin/e2e/programs/ ./test/e2e/pause ./test/e2e/meet ./test/e2e/deliver
	@go test -c -vet=off $(ldflags) -o bin/e2e/e2e.test ./test/e2e

demo: build ## a local cluster, TFJobs and PyTorchJobs that compete for its GPUs; ends by itself in under 2 minutes
	@bin/muster-local demo $(ARGS)

up: build ## a local cluster of 8 nodes that runs until Ctrl-C; ARGS='--nodes=100' for another size
	@bin/muster-local up --kubeconfig=bin/kubeconfig $(ARGS)

lint: tools ## gofmt, go vet, staticcheck and the analysers of tools/lint
	@echo "lint: gofmt, go vet, staticcheck, tools/lint (the first run reads all dependencies: 2 to 4 minutes)"
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
		if [[ -n $$unformatted ]]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	@go vet ./...
	@bin/tools/staticcheck ./...
	@go vet -vettool=$(CURDIR)/bin/tools/lint ./...
	@cd test/oracle && $(CURDIR)/bin/tools/staticcheck ./... && go vet -vettool=$(CURDIR)/bin/tools/lint ./...
	@CGO_ENABLED=1 go vet ./nodeagent/gpus
	@CGO_ENABLED=1 bin/tools/staticcheck ./nodeagent/gpus
	@CGO_ENABLED=1 go vet -vettool=$(CURDIR)/bin/tools/lint ./nodeagent/gpus

# The kind in which nodes report their NUMA nodes and NVLink islands is not ours: its types and those who write it are elsewhere.
layouts := github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology

generate: tools ## deep copies of the API types, and the CRDs in manifests/crd
	@bin/tools/controller-gen object paths=./apis/...
	@bin/tools/controller-gen crd paths=./apis/... output:crd:dir=manifests/crd
	@bin/tools/controller-gen crd paths=$(layouts)/v1alpha1 paths=$(layouts)/v1alpha2 output:crd:dir=manifests/crd

tools: # what lint and generate run, at the versions of tools/go.mod
	@go -C tools build -o ../bin/tools/ tool ./lint

clean: ## remove what was built; the build cache of Go stays
	@rm -rf bin
