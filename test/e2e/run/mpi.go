package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/muster-scheduling/muster/test/e2e/debian"
	"github.com/muster-scheduling/muster/test/e2e/image"
)

// The image of MPIJobs is Debian's Open MPI and OpenSSH. The compiler is in a set of its own, which no image has.
var (
	mpiPackages      = []string{"openmpi-bin", "openssh-server", "openssh-client", "bash", "coreutils", "dash"}
	compilerPackages = []string{"libopenmpi-dev", "gcc", "libc6-dev"}
)

// mpiFiles are those that the packages' own scripts would have made, which do not run, and what a Dockerfile for MPIJobs
// adds: ssh asks nobody whether a host is known, and sshd does not mind whose the directory with the keys is. As in the mpi-operator's
// image sshd can be run by a user mpiuser too, and listens on a port that this one may take.
var mpiFiles = map[string]string{
	"etc/passwd": "root:x:0:0:root:/root:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n" +
		"mpiuser:x:1000:1000::/home/mpiuser:/bin/bash\n",
	"etc/group":                 "root:x:0:\nmpiuser:x:1000:\nnogroup:x:65534:\n",
	"etc/ssh/ssh_config":        "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nPort 2222\n",
	"etc/ssh/sshd_config":       "StrictModes no\nPort 2222\n",
	"home/mpiuser/.sshd_config": "StrictModes no\nPort 2222\nPidFile none\nHostKey /home/mpiuser/.ssh/id_rsa\n",
	"dev/null":                  "", // ssh-keygen opens it; a container has a /dev of its own
}

// packMPI packs the image of MPIJobs, with the program of test/e2e/mpi as /allreduce.
func (s site) packMPI(ctx context.Context, archive string) error {
	runtime := debian.Set{Dir: s.file("packages", "mpi"), Packages: mpiPackages, Whole: true}
	compiler := debian.Set{Dir: s.file("packages", "mpi-compiler"), Packages: compilerPackages, Whole: true}
	source := filepath.Join(s.root, "test", "e2e", "mpi", "allreduce.c")
	if newer(archive, source, runtime.Done(), compiler.Done(), s.file("run")) {
		return nil
	}
	for _, set := range []debian.Set{runtime, compiler} {
		if err := set.Unpack(ctx); err != nil {
			return err
		}
	}
	if err := compile(ctx, source, compiler.Root(), runtime.Root()); err != nil {
		return err
	}
	if err := completeMPI(ctx, runtime.Root()); err != nil {
		return err
	}
	return image.Image{
		Name: name("mpi"), Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Entrypoint: []string{"bash"}, Files: map[string]string{"": runtime.Root()},
	}.Write(archive)
}

// compile compiles the program with the compiler that is unpacked below one root, and puts it below the other.
func compile(ctx context.Context, source, compiler, target string) error {
	program, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(compiler, "allreduce.c"), program, 0o644); err != nil {
		return err
	}
	if err := chroot(ctx, compiler, "/usr/bin/mpicc.openmpi", "-o", "/allreduce", "/allreduce.c"); err != nil {
		return err
	}
	return os.Rename(filepath.Join(compiler, "allreduce"), filepath.Join(target, "allreduce"))
}

func completeMPI(ctx context.Context, root string) error {
	for _, dir := range []string{"root/.ssh", "home/mpiuser", "run/sshd", "tmp", "proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	for file, content := range mpiFiles {
		if err := os.WriteFile(filepath.Join(root, file), []byte(content), 0o644); err != nil {
			return err
		}
	}
	mpirun := filepath.Join(root, "usr/bin/mpirun")
	if _, err := os.Lstat(mpirun); err != nil { // an alternative, which a script of the package chooses
		if err := os.Symlink("mpirun.openmpi", mpirun); err != nil {
			return err
		}
	}
	return chroot(ctx, root, "/usr/bin/ssh-keygen", "-A")
}

func chroot(ctx context.Context, root, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, "chroot", append([]string{root, program}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return nil
}

// newer says whether a file is newer than all of the others, and all of them are there.
func newer(file string, others ...string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	for _, other := range others {
		older, err := os.Stat(other)
		if err != nil || older.ModTime().After(info.ModTime()) {
			return false
		}
	}
	return true
}
