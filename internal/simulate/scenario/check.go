package scenario

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/muster-scheduling/muster/internal/simulate"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// reservations compares when gangs for which room is kept are to start. Freed capacity is no reservation.
func (c *check) reservations(e Expect) {
	if e.Reserved == nil {
		return
	}
	got := map[string]string{}
	for name, start := range c.sim.Reservations() {
		if start.IsZero() {
			got[name] = "unknown"
		} else {
			got[name] = start.Sub(epoch).String()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Reserved)) {
		c.members(name)
		want := e.Reserved[name]
		if d, err := time.ParseDuration(want); err == nil {
			want = d.String()
		}
		if got[name] != want {
			c.fail("%s holds the reservation %q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		c.fail("%s holds the reservation %q, want none", name, got[name])
	}
}

func (c *check) placements(e Expect) {
	for _, name := range slices.Sorted(maps.Keys(e.RunsOn)) {
		got := map[string]int{}
		for _, i := range c.members(name) {
			for node, pods := range c.sim.Placement(c.gangs[i].Name) {
				got[node] += pods
			}
		}
		if !maps.Equal(got, e.RunsOn[name]) {
			c.fail("%s runs on %v, want %v", name, got, e.RunsOn[name])
		}
	}
}

// split compares how queues have shared a resource, by the time for which they used how much.
func (c *check) split(e Expect) {
	if e.Split == nil {
		return
	}
	d, known := c.result.Table.Dimension(e.Split.Resource)
	if !known {
		c.fail("split: there is no resource %q", e.Split.Resource)
		return
	}
	from, until := at(e.Split.From), c.result.End
	used := make([]float64, len(c.result.Queues))
	for _, change := range c.result.Changes {
		if change.Used == nil {
			continue
		}
		begin := change.At
		if begin.Before(from) {
			begin = from
		}
		used[change.Queue] += float64(change.Used[d]) * until.Sub(begin).Seconds()
	}
	total := 0.0
	for q, name := range c.result.Queues {
		if _, asked := e.Split.Percent[name]; asked {
			total += used[q]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Split.Percent)) {
		q, ok := slices.BinarySearch(c.result.Queues, name)
		if !ok || total == 0 {
			c.fail("split: queue %q has used nothing", name)
			continue
		}
		if got, want := 100*used[q]/total, e.Split.Percent[name]; math.Abs(got-want) > e.Split.Within {
			c.fail("queue %s used %.2f %%, want %.2f %% within %.2f", name, got, want, e.Split.Within)
		}
	}
}

// asked compares answers, and that asking changes nothing.
func (c *check) asked(e Expect) {
	for _, name := range slices.Sorted(maps.Keys(e.Ask)) {
		want := e.Ask[name]
		for _, i := range c.members(name) {
			answer, err := c.sim.Ask(c.gangs[i])
			if err != nil {
				c.fail("asking about %s: %w", name, err)
				continue
			}
			c.compare(c.gangs[i].Name, answer, want)
		}
		if after := state(c.sim.Result()); after != state(c.result) {
			c.fail("asking about %s has changed something, to\n%s", name, after)
		}
	}
}

func (c *check) compare(name string, got simulate.Answer, want Answer) {
	if string(got.Prospect) != want.Prospect {
		c.fail("asked about %s: %s (%s), want %s", name, got.Prospect, got.Verdict.Message, want.Prospect)
	}
	if len(got.Victims)+len(want.Victims) > 0 && !maps.Equal(got.Victims, want.Victims) {
		c.fail("asked about %s: victims %v, want %v", name, got.Victims, want.Victims)
	}
	if want.Reason != "" && string(got.Verdict.Reason) != want.Reason {
		c.fail("asked about %s: reason %s, want %s", name, got.Verdict.Reason, want.Reason)
	}
	if want.Start != nil && !got.At.Equal(at(*want.Start)) {
		c.fail("asked about %s: start after %s, want %s", name, got.At.Sub(epoch), want.Start.Duration)
	}
}
