package integration

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// workerVariable, in the environment, makes the test binary a process that runs the tests it is told, see work.
	workerVariable = "MUSTER_TEST_WORKER"
	// mark begins the line after the output of a test, which tells the test's exit code.
	mark = "== test ended with "
)

func isWorker() bool { return os.Getenv(workerVariable) != "" }

// work runs the tests that lines of standard input name, until an empty line. Standard input that ends means that the
// process that gives the orders is gone; then this one goes at once.
func work(m *testing.M) int {
	timeout := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
	started := time.Now()
	orders := make(chan string)
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			orders <- lines.Text()
		}
		os.Exit(1)
	}()
	for test := <-orders; test != ""; test = <-orders {
		settings := map[string]string{"test.run": "^" + regexp.QuoteMeta(test) + "$"}
		if timeout > 0 { // It is that of the whole run.
			settings["test.timeout"] = max(timeout-time.Since(started), time.Second).String()
		}
		for name, value := range settings {
			if err := flag.Set(name, value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		code := m.Run()
		fmt.Printf("\n%s%d\n", mark, code)
	}
	return 0
}

// worker is a process that runs the tests it is told.
type worker struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	output *bufio.Reader
}

// startWorker starts a process with the flags of this one; its log file is one of its own.
func startWorker(logFile string) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, workerArgs(logFile)...)
	cmd.Env = append(os.Environ(), workerVariable+"=1")
	orders, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = write, write // one pipe for both keeps their order
	err = cmd.Start()
	if err := errors.Join(err, write.Close()); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return &worker{cmd: cmd, orders: orders, output: bufio.NewReader(read)}, nil
}

func workerArgs(logFile string) []string {
	var args []string
	flag.Visit(func(f *flag.Flag) {
		value := f.Value.String()
		if f.Name == "test.testlogfile" {
			value = logFile
		}
		args = append(args, fmt.Sprintf("-%s=%s", f.Name, value))
	})
	return args
}

// run has the process run a test, and returns all that it printed and the exit code. An error means that the process
// has ended.
func (w *worker) run(test string) (output []byte, code int, err error) {
	if _, err := fmt.Fprintln(w.orders, test); err != nil {
		rest, _ := io.ReadAll(w.output) // the first error tells more
		return rest, 0, err
	}
	for {
		line, err := w.output.ReadString('\n')
		if code, ok := strings.CutPrefix(line, mark); ok {
			code, err := strconv.Atoi(strings.TrimSpace(code))
			return verdictless(output), code, err
		}
		output = append(output, line...)
		if err != nil {
			return output, 0, err
		}
	}
}

// verdictless leaves away the last line of a test's output: whether the run has passed is not known before its end.
func verdictless(output []byte) []byte {
	output = bytes.TrimSuffix(output, []byte("\n")) // that of the mark
	for _, verdict := range []string{"PASS\n", "FAIL\n"} {
		output = bytes.TrimSuffix(output, []byte(verdict))
	}
	return output
}

// dismiss lets the process stop its cluster, and returns what it still printed.
func (w *worker) dismiss() ([]byte, error) {
	_, err := fmt.Fprintln(w.orders, "")
	output, readErr := io.ReadAll(w.output)
	return output, errors.Join(err, readErr, w.cmd.Wait())
}
