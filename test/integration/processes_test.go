package integration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Most of the time of a test is spent waiting: for pods that end, for back-offs, for grace periods. So a run of all
// tests is shared out among several processes, each with a cluster of its own, that take test by test from one queue. A
// run that selects tests, measures or profiles stays in one process.

const (
	// processesVariable, in the environment, is how many processes run the tests; 1 keeps them in this one.
	processesVariable = "MUSTER_TEST_PROCESSES"
	defaultProcesses  = 6
)

// slow are the tests that take longest, the longest first. They start first, so that nobody is left waiting for them.
var slow = []string{
	"TestConstraints", "TestPodGroupToMend", "TestReclaimsWholeGangs", "TestRandomLife", "TestEvictsNobodyInVain",
	"TestPastUsageOutlivesTheScheduler", "TestLayoutToMend", "TestManagerKilledWhileCreating",
}

// passedOn are the flags of a run of all tests, that mean the same to each of the processes.
var passedOn = []string{"test.count", "test.failfast", "test.fullpath", "test.paniconexit0", "test.short", "test.testlogfile", "test.timeout", "test.v"}

// processes returns how many processes shall run the tests.
func processes() (int, error) {
	n := defaultProcesses
	if value := os.Getenv(processesVariable); value != "" {
		var err error
		if n, err = strconv.Atoi(value); err != nil || n < 1 {
			return 0, fmt.Errorf("%s=%q: want a number above 0", processesVariable, value)
		}
	}
	flag.Visit(func(f *flag.Flag) {
		if !slices.Contains(passedOn, f.Name) {
			n = 1
		}
	})
	return n, nil
}

// A run is one run of all tests in several processes. Its methods may be called concurrently.
type run struct {
	dir string // has what `go test` wants to know of each process

	mu     sync.Mutex
	left   []string // tests that nobody has taken yet
	failed bool
}

// runInProcesses runs all tests in n processes and returns the exit code of the whole.
func runInProcesses(n int) (code int, err error) {
	tests, err := allTests()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "muster-integration-")
	if err != nil {
		return 0, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &run{dir: dir, left: tests}
	var wg sync.WaitGroup
	for i := range min(n, len(tests)) {
		wg.Go(func() { r.employ(i + 1) })
	}
	wg.Wait()
	if len(r.left) > 0 {
		r.fail("nobody is left to run %v", r.left)
	}
	if r.failed {
		fmt.Println("FAIL")
		return 1, nil
	}
	fmt.Println("PASS")
	return 0, r.mergeLogs()
}

// allTests lists the tests of this program in the order in which they are handed out.
func allTests() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	output, err := exec.Command(self, "-test.list=.").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the tests: %w", err)
	}
	var tests []string
	for name := range strings.FieldsSeq(string(output)) {
		if !strings.HasPrefix(name, "Benchmark") {
			tests = append(tests, name)
		}
	}
	for _, name := range slow {
		if !slices.Contains(tests, name) {
			return nil, fmt.Errorf("%s, which is listed as slow, is no test", name)
		}
	}
	rank := func(name string) int {
		if i := slices.Index(slow, name); i >= 0 {
			return i
		}
		return len(slow)
	}
	slices.SortStableFunc(tests, func(a, b string) int { return rank(a) - rank(b) })
	return tests, nil
}

// employ starts a process and has it run one test after the other until none is left.
func (r *run) employ(number int) {
	w, err := startWorker(r.logFile(number))
	if err != nil {
		r.fail("starting process %d: %v", number, err)
		return
	}
	var ran []string
	for test := r.take(); test != ""; test = r.take() {
		output, code, err := w.run(test)
		ran = append(ran, test)
		r.report(output)
		switch {
		case err != nil:
			r.fail("process %d ended (%v) after it ran %v", number, w.cmd.Wait(), ran)
			return
		case code != 0:
			r.fail("process %d has run %v so far", number, ran)
		}
	}
	output, err := w.dismiss()
	r.report(output)
	if err != nil {
		r.fail("process %d, which ran %v: %v", number, ran, err)
	}
}

// take returns the next test, and "" when none is left.
func (r *run) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	failFast := flag.Lookup("test.failfast").Value.String() == "true"
	if len(r.left) == 0 || r.failed && failFast {
		r.left = nil
		return ""
	}
	test := r.left[0]
	r.left = r.left[1:]
	return test
}

// report prints what a test has printed, as a whole.
func (r *run) report(output []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = os.Stdout.Write(output) // like fmt.Print
}

// fail makes the run fail and says why.
func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	fmt.Printf(format+"\n", args...)
}

// logFile is where a process tells which files and variables its tests looked at; "" when nobody wants to know.
func (r *run) logFile(number int) string {
	if flag.Lookup("test.testlogfile").Value.String() == "" {
		return ""
	}
	return filepath.Join(r.dir, fmt.Sprint(number))
}

// mergeLogs tells `go test` which files and variables the tests of all processes looked at: unless they change, it
// need not run them again.
func (r *run) mergeLogs() error {
	path := flag.Lookup("test.testlogfile").Value.String()
	if path == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	if err != nil {
		return fmt.Errorf("looking for logs: %w", err)
	}
	const header = "# test log\n"
	merged := []byte(header)
	seen := map[string]bool{header: true} // each process has written it once per test, and looks at most things often
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading the log of a process: %w", err)
		}
		for line := range strings.Lines(string(log)) {
			if !seen[line] {
				merged, seen[line] = append(merged, line...), true
			}
		}
	}
	if err := os.WriteFile(path, merged, 0o600); err != nil {
		return fmt.Errorf("writing the log of all processes: %w", err)
	}
	return nil
}
