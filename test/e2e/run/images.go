package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/muster-scheduling/muster/test/e2e/image"
	"github.com/muster-scheduling/muster/test/e2e/nodes"
	"github.com/muster-scheduling/muster/test/e2e/plan"
)

// build builds Muster, the control plane, and the programs that run in containers.
func (s site) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", s.root, "build", "e2e-programs")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	return nil
}

// name is an image's name on the nodes. No registry has it.
func name(image string) string { return "localhost/" + image + ":e2e" }

// pack packs the images and says what the tests have.
func (s site) pack(ctx context.Context) (*plan.Plan, error) {
	work := s.file("work")
	p := &plan.Plan{
		Root: s.root, Logs: s.file("logs"), Archives: map[string]string{}, Missing: map[string]string{},
		Cluster: nodes.Config{
			Dir: filepath.Join(work, "cluster"), Plugins: s.plugins(), Cgroup: s.cgroups.Name, Count: 3,
			Init: s.self("init"), Node: s.self("node"), PauseImage: name("pause"),
		},
	}
	if err := os.MkdirAll(s.file("images"), 0o755); err != nil {
		return nil, err
	}
	programs := map[string]string{
		"pause": s.file("programs", "pause"), "coredns": s.file("programs", "coredns"), "meet": s.file("programs", "meet"),
	}
	for _, program := range []string{"muster-scheduler", "muster-manager"} {
		programs[program] = filepath.Join(s.root, "bin", program)
	}
	for _, program := range sortedKeys(programs) {
		archive, err := s.packProgram(program, map[string]string{program: programs[program]})
		if err != nil {
			return nil, err
		}
		p.Cluster.Images = append(p.Cluster.Images, archive)
	}
	kubectl := map[string]string{"deliver": s.file("programs", "deliver"), "kubectl": s.file("programs", "kubectl")}
	deliver, err := s.packProgram("deliver", kubectl)
	if err != nil {
		return nil, err
	}
	p.Archives["deliver"] = deliver
	mpi := s.file("images", "mpi.tar")
	if err := s.packMPI(ctx, mpi); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		fmt.Printf("e2e: there is no image of Open MPI, and the tests with it are skipped: %v\n", err)
		p.Missing["mpi"] = err.Error()
	} else {
		p.Archives["mpi"] = mpi
	}
	return p, nil
}

// packProgram packs a static binary, as the repository's Dockerfile does. An image may have other files beside it.
func (s site) packProgram(program string, files map[string]string) (string, error) {
	archive := s.file("images", program+".tar")
	i := image.Image{
		Name: name(program), Entrypoint: []string{"/" + program}, User: "65532:65532", Files: files,
	}
	if err := i.Write(archive); err != nil {
		return "", err
	}
	return archive, nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
