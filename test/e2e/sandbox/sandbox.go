// Package sandbox runs a command, and all that it starts, in Linux namespaces of their own. They end with one signal, and
// no mount, address or process of theirs is left.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
)

// Whole are the namespaces of a machine of its own, as far as a cluster needs one.
const Whole = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// Node are the namespaces of one node inside of those: its processes die with it, and it has its own /run and /var/lib.
const Node = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID

// Command is a command that runs in new namespaces under a first process that reaps orphans: the program init, which has to
// hand its arguments to Init. Killing the command's process ends everything inside, and so does the end of the thread
// that starts it: the caller locks that thread.
func Command(namespaces uintptr, init []string, command ...string) *exec.Cmd {
	cmd := exec.Command(init[0], slices.Concat(init[1:], command)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setsid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Init is what the first process of new namespaces does: it hides the mounts made in them from the outside, shows their
// own processes in /proc, and runs the command. It returns the command's exit status once that has ended; the kernel
// ends the rest with the caller.
func Init(command []string) (int, error) {
	if os.Getpid() != 1 {
		return 0, errors.New("not the first process of a namespace")
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return 0, fmt.Errorf("make the mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return 0, fmt.Errorf("mount /proc: %w", err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return reap(cmd.Process.Pid)
}

// reap waits for every process that ends until the given one has, whose exit status it returns.
func reap(until int) (int, error) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR) || err == nil && pid != until:
		case err != nil:
			return 0, fmt.Errorf("wait for process %d: %w", until, err)
		case status.Signaled():
			return 128 + int(status.Signal()), nil
		default:
			return status.ExitStatus(), nil
		}
	}
}
