package input

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	kresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
	"github.com/muster-scheduling/muster/internal/topology"
)

// TraceColumns are the columns that a trace may have, in any order; arrival, pods and duration it must have.
var TraceColumns = []string{
	"name", "arrival", "pods", "gpus", "cpu", "memory", "duration", "queue", "priority", "expected", "min", "preemptible",
	"topology_required", "topology_preferred", "segment", "segment_required", "segment_preferred",
}

const (
	// maxPods is more than any one job asks for, and little enough to simulate.
	maxPods = 1_000_000
	// maxSeconds, some 100 years, is far from where time overflows.
	maxSeconds = 3.2e9
)

// Trace reads jobs from CSV, one a line, below a header that names the columns. Arrivals are either all seconds, counted
// from the Unix epoch, or all times in RFC 3339. Errors name the line and the column.
func Trace(r io.Reader) ([]simulate.Gang, error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: it needs a header that names the columns")
	}
	if err != nil {
		return nil, err
	}
	columns, err := columns(header, TraceColumns, []string{"arrival", "pods", "duration"})
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	var gangs []simulate.Gang
	lines := map[string]int{}
	seconds := false
	for {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		gang, number, err := traceGang(row{columns, fields}, len(gangs)+1)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if len(gangs) > 0 && number != seconds {
			return nil, fmt.Errorf("line %d: arrival: seconds and times are mixed in one trace", line)
		}
		seconds = number
		if first, twice := lines[gang.Name]; twice {
			return nil, fmt.Errorf("line %d: name: %q is on line %d already", line, gang.Name, first)
		}
		lines[gang.Name] = line
		gangs = append(gangs, gang)
	}
	if len(gangs) == 0 {
		return nil, errors.New("there is no job below the header")
	}
	return gangs, nil
}

// traceGang also returns whether the arrival is a number of seconds.
func traceGang(r row, number int) (gang simulate.Gang, seconds bool, err error) {
	gang = simulate.Gang{Name: r.get("name"), Queue: r.get("queue")}
	if gang.Name == "" {
		gang.Name = fmt.Sprintf("job-%d", number)
	}
	if gang.Queue == "" {
		gang.Queue = "default"
	}
	if gang.Arrival, seconds, err = arrival(r.get("arrival")); err != nil {
		return gang, false, fmt.Errorf("arrival: %w", err)
	}
	for _, x := range []struct {
		column            string
		into              *int
		low, high, absent int
	}{
		{"pods", &gang.Pods, 1, maxPods, 0},
		{"min", &gang.Min, 1, maxPods, -1},
	} {
		if *x.into, err = whole(r.get(x.column), x.low, x.high, x.absent); err != nil {
			return gang, false, fmt.Errorf("%s: %w", x.column, err)
		}
	}
	switch {
	case gang.Pods == 0:
		return gang, false, errors.New("pods: it is empty")
	case gang.Min < 0:
		gang.Min = gang.Pods
	case gang.Min > gang.Pods:
		return gang, false, fmt.Errorf("min: %d is more than the %d pods", gang.Min, gang.Pods)
	}
	priority, err := whole(r.get("priority"), math.MinInt32, math.MaxInt32, 0)
	if err != nil {
		return gang, false, fmt.Errorf("priority: %w", err)
	}
	gang.Priority = int32(priority)
	if gang.Request, err = request(r); err != nil {
		return gang, false, err
	}
	if gang.Duration, err = duration(r.get("duration")); err != nil {
		return gang, false, fmt.Errorf("duration: %w", err)
	}
	if gang.Duration == 0 {
		return gang, false, errors.New("duration: it is empty or 0; a job has to end")
	}
	if gang.Expected, err = duration(r.get("expected")); err != nil {
		return gang, false, fmt.Errorf("expected: %w", err)
	}
	if gang.Topology, err = wants(r); err != nil {
		return gang, false, err
	}
	switch preemptible := r.get("preemptible"); preemptible {
	case "", "true":
	case "false":
		gang.Firm = true
	default:
		return gang, false, fmt.Errorf("preemptible: %q is neither true nor false", preemptible)
	}
	return gang, seconds, nil
}

func wants(r row) (wants simulate.Wants, err error) {
	wants.Gang = topology.Want{Required: r.get("topology_required"), Preferred: r.get("topology_preferred")}
	wants.Part = topology.Want{Required: r.get("segment_required"), Preferred: r.get("segment_preferred")}
	if wants.Segment, err = whole(r.get("segment"), 1, maxPods, 0); err != nil {
		return wants, fmt.Errorf("segment: %w", err)
	}
	if wants.Segment == 0 && wants.Part != (topology.Want{}) {
		return wants, errors.New("segment: it is empty, but segment_required or segment_preferred is not")
	}
	return wants, nil
}

func arrival(field string) (at time.Time, seconds bool, err error) {
	if at, err := time.Parse(time.RFC3339, field); err == nil {
		return at.UTC(), false, nil
	}
	after, err := duration(field)
	if field == "" || err != nil {
		return time.Time{}, false, fmt.Errorf("%q is neither a number of seconds from 0 on nor a time like 2026-01-31T09:00:00Z", field)
	}
	return time.Unix(0, 0).UTC().Add(after), true, nil
}

// duration reads seconds, with or without a fraction; empty is 0.
func duration(field string) (time.Duration, error) {
	if field == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(field, 64)
	if err != nil || !(seconds >= 0 && seconds <= maxSeconds) {
		return 0, fmt.Errorf("%q is not a number of seconds from 0 to %.0f", field, maxSeconds)
	}
	return time.Duration(math.Round(seconds*1e3)) * time.Millisecond, nil
}

func whole(field string, low, high, absent int) (int, error) {
	if field == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(field)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not a whole number from %d to %d", field, low, high)
	}
	return n, nil
}

func request(r row) (resource.Amounts, error) {
	amounts := resource.Amounts{simulate.Pods: 1}
	for _, x := range [][2]string{{"gpus", simulate.GPU}, {"cpu", "cpu"}, {"memory", "memory"}} {
		column, name := x[0], x[1]
		field := r.get(column)
		if field == "" {
			continue
		}
		quantity, err := kresource.ParseQuantity(field)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a quantity", column, field)
		}
		amount, err := amount(name, quantity)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is negative", column, field)
		}
		if column == "gpus" && quantity.CmpInt64(amount) != 0 {
			return nil, fmt.Errorf("gpus: %q is not a whole number", field)
		}
		if amount > 0 {
			amounts[name] = amount
		}
	}
	return amounts, nil
}
