package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	configv1alpha1 "github.com/muster-scheduling/muster/apis/config/v1alpha1"
	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/simulate"
	"github.com/muster-scheduling/muster/internal/simulate/input"
	"github.com/muster-scheduling/muster/internal/simulate/report"
	"github.com/muster-scheduling/muster/internal/topology"
)

// simulation is what `simulate` is told.
type simulation struct {
	nodes, topologies, queues, trace, scenarios string
	svg, csv                                    string
	points                                      int
	until                                       time.Duration
	options                                     simulate.Options
	output
}

func simulateCommand() *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use:   "simulate --nodes FILE --trace FILE [--queues FILE] [--topologies FILE] | --scenario DIR",
		Short: "Try a policy on a trace of jobs in virtual time",
		Long: `Replays a trace of jobs on a cluster that only exists in memory, with the code that the scheduler decides with, and tells
how long jobs waited, what was used, how fairly, and what was evicted. Nothing is asked of a cluster.

With --scenario it runs the scenario files of a directory instead, or one file, and says which pass.`,
		Example: `  kubectl muster simulate --nodes nodes.yaml --queues queues.yaml --trace trace.csv --svg fairness.svg
  kubectl muster simulate --scenario test/scenarios/queues`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.scenarios != "" {
				return runScenarios(cmd.OutOrStdout(), s.scenarios)
			}
			if err := s.check(); err != nil {
				return err
			}
			return s.run(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.nodes, "nodes", "", "nodes: YAML as for muster-local's --node-config, or CSV with the columns sn,cpu_milli,memory_mib,gpu,model")
	flags.StringVar(&s.topologies, "topologies", "", "Topology objects in YAML, whose levels the jobs may ask for (default: none)")
	flags.StringVar(&s.queues, "queues", "", "Queue objects in YAML (default: only the queue default)")
	flags.StringVar(&s.trace, "trace", "", "jobs: CSV whose header names the columns; arrival, pods and duration are needed")
	flags.StringVar(&s.svg, "svg", "", "write a picture of use, shares and waiting gangs over time to this file")
	flags.StringVar(&s.csv, "csv", "", "write the same as numbers to this file")
	flags.IntVar(&s.points, "points", 240, "how many intervals time is divided into for charts and CSV")
	flags.DurationVar(&s.until, "until", 0, "end so long after the first arrival (default: when all is done)")
	flags.IntVar(&s.options.Dispatch.Reservations, "reservations", configv1alpha1.DefaultReservations, "for how many gangs room is kept at a time")
	flags.DurationVar(&s.options.Dispatch.Patience, "patience", configv1alpha1.DefaultPatience, "how long a gang whose start nobody can foretell lets others pass")
	flags.Float64Var(&s.options.MaxRatio, "max-evicted-per-asked", configv1alpha1.DefaultMaxEvictedPerAsked, "evict at most so many times what a gang asks for; 0 is no bound")
	flags.DurationVar(&s.options.HalfLife, "usage-half-life", 0, "let past usage count in the order of queues, half as much after this time (default: not at all)")
	flags.DurationVar(&s.options.Grace, "grace", 30*time.Second, "how long evicted pods take to leave")
	flags.StringVar(&s.scenarios, "scenario", "", "a directory of scenario files, or one file, to run instead")
	s.output.add(flags)
	return cmd
}

func (s *simulation) check() error {
	switch {
	case s.nodes == "" || s.trace == "":
		return errors.New("a simulation needs --nodes and --trace; or give --scenario")
	case s.points < 1 || s.points > 100_000:
		return fmt.Errorf("--points: %d is not between 1 and 100000", s.points)
	case s.options.Dispatch.Reservations < 0 || s.options.Dispatch.Patience < 0 || s.options.HalfLife < 0 || s.options.Grace < 0 || s.until < 0 || !(s.options.MaxRatio >= 0):
		return errors.New("--reservations, --patience, --usage-half-life, --grace, --until and --max-evicted-per-asked can not be negative")
	}
	return s.output.check()
}

func (s *simulation) run(out io.Writer) error {
	workload, err := s.read()
	if err != nil {
		return err
	}
	// Much is made and soon forgotten; memory is cheaper here than collecting it all the time.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	sim, err := simulate.New(workload, s.options)
	if err != nil {
		return err
	}
	var until time.Time
	if s.until > 0 {
		until = sim.Now().Add(s.until)
	}
	if err := sim.Run(until); err != nil {
		return err
	}
	r := report.New(sim.Result(), s.points)
	if err := writeFile(s.svg, func(w io.Writer) error { return report.SVG(w, r) }); err != nil {
		return err
	}
	if err := writeFile(s.csv, func(w io.Writer) error { return report.CSV(w, r) }); err != nil {
		return err
	}
	return s.write(out, r, func(look explain.Look) (string, error) {
		width := look.Width
		if width == 0 {
			width = 80
		}
		var text bytes.Buffer
		err := report.Text(&text, r, width, look.Unicode)
		return text.String(), err
	})
}

func (s *simulation) read() (w simulate.Workload, err error) {
	err = readInto(s.nodes, func(data []byte) error {
		w.Nodes, err = input.Nodes(data)
		return err
	})
	if err == nil && s.queues != "" {
		err = readInto(s.queues, func(data []byte) error {
			w.Queues, err = input.Queues(data)
			return err
		})
	}
	if err == nil && s.topologies != "" {
		err = readInto(s.topologies, func(data []byte) error {
			w.Topologies, err = input.Topologies(data)
			return err
		})
	}
	if err == nil {
		err = readInto(s.trace, func(data []byte) error {
			w.Gangs, err = input.Trace(bytes.NewReader(data))
			return err
		})
	}
	if err == nil {
		err = cmp.Or(queuesExist(w), levelsExist(w))
	}
	return w, err
}

// levelsExist finds gangs that ask for a level that no Topology has: they would wait for ever.
func levelsExist(w simulate.Workload) error {
	known := map[string]bool{"": true}
	for _, t := range w.Topologies {
		for _, level := range t.Levels {
			known[level.Name] = true
		}
	}
	for _, gang := range w.Gangs {
		for _, want := range []topology.Want{gang.Topology.Gang, gang.Topology.Part} {
			for _, level := range []string{want.Required, want.Preferred} {
				if !known[level] {
					return fmt.Errorf("gang %q of the trace: no Topology has a level %q; see --topologies", gang.Name, level)
				}
			}
		}
	}
	return nil
}

// queuesExist finds gangs whose queue nobody has defined, or that holds queues: they would wait for ever.
func queuesExist(w simulate.Workload) error {
	tree := ledger.New()
	for _, queue := range w.Queues {
		tree.SetQueue(queue)
	}
	for _, gang := range w.Gangs {
		if fault := tree.Fault(gang.Queue); fault != nil {
			return fmt.Errorf("gang %q of the trace: %s", gang.Name, fault.Message)
		}
	}
	return nil
}

func readInto(file string, parse func([]byte) error) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading what to simulate: %w", err)
	}
	if err := parse(data); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// writeFile writes a file if one is asked for.
func writeFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return err
	}
	if err := os.WriteFile(name, content.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
