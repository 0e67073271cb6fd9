package scenario

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-scheduling/muster/internal/simulate"
)

// rounds is how often everything is decided once more after an expected state, and nothing may change.
const rounds = 5

// Run plays a scenario and returns what is not as expected, one error for each. What must always hold is checked after
// every moment of it, and unless an expectation says that things are moving, five more rounds of decisions after it must
// change nothing. The same is played twice and must go the same way.
func (sc Scenario) Run() error {
	first, err := sc.play()
	if err != nil {
		return err
	}
	second, err := sc.play()
	if err != nil {
		return err
	}
	if first != second {
		return errors.New("two simulations of the same went different ways")
	}
	return nil
}

func (sc Scenario) play() (trail string, err error) {
	w, groups, err := sc.build()
	if err != nil {
		return "", err
	}
	s, err := simulate.New(w, sc.Options.build())
	if err != nil {
		return "", err
	}
	expect := slices.Clone(sc.Expect)
	slices.SortStableFunc(expect, func(a, b Expect) int { return int(a.At.Duration - b.At.Duration) })
	var errs []error
	for _, e := range expect {
		if err := s.Run(at(e.At)); err != nil {
			return "", err
		}
		c := check{sim: s, result: s.Result(), groups: groups, gangs: w.Gangs}
		if err := c.all(e); err != nil {
			errs = append(errs, fmt.Errorf("at %s: %w", e.At.Duration, err))
		}
		now := state(c.result)
		trail += now
		if e.Moving || len(errs) > 0 {
			continue
		}
		if err := sc.settled(e.At.Duration, now); err != nil {
			errs = append(errs, fmt.Errorf("after %s: %w", e.At.Duration, err))
		}
	}
	return trail, errors.Join(errs...)
}

// settled plays the scenario anew up to a time, lets nothing more happen, and decides again and again.
func (sc Scenario) settled(until time.Duration, before string) error {
	w, _, err := sc.build()
	if err != nil {
		return err
	}
	s, err := simulate.New(w, sc.Options.build())
	if err != nil {
		return err
	}
	if err := s.Run(epoch.Add(until)); err != nil {
		return err
	}
	s.Freeze()
	for round := range rounds {
		if err := s.Round(); err != nil {
			return err
		}
		if after := state(s.Result()); after != before {
			return fmt.Errorf("things change in round %d though nothing happens: from\n%sto\n%s", round+1, before, after)
		}
	}
	return nil
}

// state is where every gang is, in words.
func state(r simulate.Result) string {
	var words strings.Builder
	for _, o := range r.Gangs {
		fmt.Fprintf(&words, "  %s: %d bound, evicted %d times", o.Gang.Name, o.Bound, o.EvictedPods)
		if !o.End.IsZero() {
			words.WriteString(", done")
		}
		if !o.Start.IsZero() {
			fmt.Fprintf(&words, ", since %s", o.Start.Sub(epoch))
		}
		words.WriteString("\n")
	}
	return words.String()
}

// check compares one moment with what is expected of it.
type check struct {
	sim    *simulate.Simulation
	result simulate.Result
	groups map[string][]int
	gangs  []simulate.Gang
	errs   []error
}

func (c *check) fail(format string, arguments ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, arguments...))
}

func (c *check) all(e Expect) error {
	if e.Bound != nil {
		c.numbers("bound", e.Bound, func(o simulate.Outcome) int { return o.Bound })
	}
	c.numbers("evicted", e.Evicted, func(o simulate.Outcome) int { return o.EvictedPods })
	if e.Done != nil {
		c.numbers("done", e.Done, func(o simulate.Outcome) int {
			if o.End.IsZero() {
				return 0
			}
			return 1
		})
	}
	c.verdicts(e)
	c.starts(e)
	c.reservations(e)
	c.placements(e)
	c.split(e)
	c.asked(e)
	return errors.Join(c.errs...)
}

// numbers compares what is counted over gangs; a gang that stands nowhere in want must have none.
func (c *check) numbers(what string, want map[string]int, count func(simulate.Outcome) int) {
	named := map[int]bool{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		sum := 0
		for _, i := range c.members(name) {
			named[i] = true
			sum += count(c.result.Gangs[i])
		}
		if sum != want[name] {
			c.fail("%s: %s is %d, want %d", name, what, sum, want[name])
		}
	}
	for i, o := range c.result.Gangs {
		if n := count(o); !named[i] && n != 0 {
			c.fail("%s: %s is %d, want 0", o.Gang.Name, what, n)
		}
	}
}

// members are the gangs that a name stands for.
func (c *check) members(name string) []int {
	members, ok := c.groups[name]
	if !ok {
		c.fail("%s is expected to be something, but there is no such gang", name)
	}
	return members
}

func (c *check) verdicts(e Expect) {
	for _, name := range slices.Sorted(maps.Keys(e.Waiting)) {
		for _, i := range c.members(name) {
			if o := c.result.Gangs[i]; string(o.Verdict.Reason) != e.Waiting[name] {
				c.fail("%s waits for %q (%s), want %q", o.Gang.Name, o.Verdict.Reason, o.Verdict.Message, e.Waiting[name])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Message)) {
		for _, i := range c.members(name) {
			if o := c.result.Gangs[i]; !contains(o.Verdict.Message, e.Message[name]) {
				c.fail("%s waits with the words %q, want %q in them", o.Gang.Name, o.Verdict.Message, e.Message[name])
			}
		}
	}
}

func (c *check) starts(e Expect) {
	for _, name := range slices.Sorted(maps.Keys(e.Started)) {
		span := e.Started[name]
		for _, i := range c.members(name) {
			o := c.result.Gangs[i]
			switch after := o.FirstStart.Sub(epoch); {
			case o.FirstStart.IsZero():
				c.fail("%s has not started", o.Gang.Name)
			case after < span.From.Duration:
				c.fail("%s started after %s already, want %s at the earliest", o.Gang.Name, after, span.From.Duration)
			case span.To != nil && after > span.To.Duration:
				c.fail("%s started after %s, want %s at the latest", o.Gang.Name, after, span.To.Duration)
			}
		}
	}
}
