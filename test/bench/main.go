// Command bench measures how fast gangs are bound by nobody at all (raw: bindings POSTed by the load generator, the
// API server's own ceiling), by upstream's kube-scheduler with its gangs (native), and by Muster, on one machine in
// turn. docs/benchmarks.md says what the workloads and the figures are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what the flags say.
type options struct {
	rounds    int
	workloads []workload
	systems   []string
	csv, read string
	deadline  time.Duration
	seed      uint64
	check     bool
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == childCommand {
		if err := runChild(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, o, os.Stdout)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parse reads the flags. It fails on a workload or a system that does not exist.
func parse(args []string, usage io.Writer) (options, error) {
	var o options
	var names, systemList string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(usage)
	f.IntVar(&o.rounds, "rounds", 3, "how often each system is measured, in turn")
	f.StringVar(&names, "workloads", strings.Join(workloadNames(), ","), "which workloads to run; W1/10 is W1 with a tenth of its nodes and gangs, to try things out")
	f.StringVar(&systemList, "systems", strings.Join(systems, ","), "which systems to measure")
	f.StringVar(&o.csv, "csv", "bench.csv", "the file to write all measurements to")
	f.StringVar(&o.read, "read", "", "measure nothing, but show the measurements of this CSV again")
	f.DurationVar(&o.deadline, "deadline", 5*time.Minute, "how long one workload may take")
	f.Uint64Var(&o.seed, "seed", 1, "what the random orders of submission begin with")
	f.BoolVar(&o.check, "check", false, "fail unless every target that was measured is met")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds < 1 {
		return o, fmt.Errorf("--rounds is %d, but must be at least 1", o.rounds)
	}
	for name := range strings.SplitSeq(names, ",") {
		w, err := named(name)
		if err != nil {
			return o, fmt.Errorf("--workloads: %w", err)
		}
		o.workloads = append(o.workloads, w)
	}
	for name := range strings.SplitSeq(systemList, ",") {
		if !slices.Contains(systems, name) {
			return o, fmt.Errorf("--systems: there is no %q, only %s", name, strings.Join(systems, ", "))
		}
		o.systems = append(o.systems, name)
	}
	return o, nil
}

// run measures, or reads what was measured before, and reports.
func run(ctx context.Context, o options, out io.Writer) error {
	var m machine
	var results []result
	var err error
	if o.read != "" {
		m, results, err = readFile(o.read)
	} else {
		m = thisMachine(time.Now())
		results, err = measureAll(ctx, o, m, out)
	}
	if len(results) == 0 {
		return err
	}
	report, met := judge(results)
	fmt.Fprintf(out, "\n%s\n\n%s%s", m, summary(results), report)
	if o.read == "" {
		fmt.Fprintf(out, "\nall measurements are in %s\n", o.csv)
	}
	for _, r := range results {
		if r.broken {
			err = errors.Join(err, fmt.Errorf("%s, round %d, %s is broken", r.workload, r.round, r.system))
		}
	}
	if o.check && !met {
		err = errors.Join(err, errors.New("a target is not met"))
	}
	return err
}

// measureAll goes through the rounds, and writes the CSV anew after each measurement.
func measureAll(ctx context.Context, o options, m machine, out io.Writer) ([]result, error) {
	all := o.rounds * o.perRound()
	fmt.Fprintf(out, "%s\n%d measurements, each on a fresh API server: count on half a minute for each, two minutes for native in TAS and TASL\n", m, all)
	var results []result
	for round := 1; round <= o.rounds; round++ {
		for _, w := range o.workloads {
			for _, system := range o.systems {
				if !w.measuredOn(system) {
					continue
				}
				fmt.Fprintf(out, "%3d/%d  round %d  %-4s  %-6s  ", len(results)+1, all, round, w.name, system)
				began := time.Now()
				r := measure(ctx, w, system, round, o.seed+uint64(round), o.deadline)
				if ctx.Err() != nil {
					fmt.Fprintln(out, "interrupted")
					return results, ctx.Err()
				}
				fmt.Fprintf(out, "%s  (%.0f s)\n", r.line(), time.Since(began).Seconds())
				results = append(results, r)
				if err := writeFile(o.csv, m, results); err != nil {
					return results, err
				}
			}
		}
	}
	return results, nil
}

// perRound is how many measurements a round has.
func (o options) perRound() int {
	count := 0
	for _, w := range o.workloads {
		for _, system := range o.systems {
			if w.measuredOn(system) {
				count++
			}
		}
	}
	return count
}

// line is a result in a few words.
func (r result) line() string {
	if r.note != "" {
		return r.note
	}
	perSecond, ok := r.values[rate]
	if !ok {
		var words []string
		for _, m := range metrics {
			if v, ok := r.values[m.name]; ok && m.short != "" {
				words = append(words, fmt.Sprintf("%s %.*f", m.short, m.decimals, v))
			}
		}
		return strings.Join(words, ", ")
	}
	s := fmt.Sprintf("%5.0f pods/s, last bind %5.2f s after the last create", perSecond, r.values["last_create_to_last_bind_s"])
	if cpu, ok := r.values["scheduler_cpu_s"]; ok {
		s += fmt.Sprintf(", scheduler %.1f CPU s", cpu)
	}
	return s
}

func writeFile(name string, m machine, results []result) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing the measurements: %w", err)
	}
	if err := errors.Join(writeCSV(f, m, results), f.Close()); err != nil {
		return fmt.Errorf("writing the measurements to %s: %w", name, err)
	}
	return nil
}

func readFile(name string) (machine, []result, error) {
	f, err := os.Open(name)
	if err != nil {
		return machine{}, nil, fmt.Errorf("reading the measurements: %w", err)
	}
	defer f.Close()
	m, results, err := readCSV(f)
	if err != nil {
		return m, nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, results, nil
}
