package input

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
)

func TestTrace(t *testing.T) {
	gangs, err := Trace(strings.NewReader(`queue, Arrival,pods,gpus,duration,cpu,memory,priority,expected,min,preemptible,name
team-a,10.5,4,2,90,0.5,1Gi,-3,120,2,false,first
,20,1,,60,,,,,,true,
`))
	if err != nil {
		t.Fatal(err)
	}
	epoch := time.Unix(0, 0).UTC()
	want := []simulate.Gang{
		{
			Name: "first", Queue: "team-a", Priority: -3, Arrival: epoch.Add(10500 * time.Millisecond), Pods: 4, Min: 2,
			Request:  resource.Amounts{simulate.GPU: 2, "cpu": 500, "memory": 1 << 30, simulate.Pods: 1},
			Duration: 90 * time.Second, Expected: 2 * time.Minute, Firm: true,
		},
		{
			Name: "job-2", Queue: "default", Arrival: epoch.Add(20 * time.Second), Pods: 1, Min: 1,
			Request: resource.Amounts{simulate.Pods: 1}, Duration: time.Minute,
		},
	}
	if diff := cmp.Diff(want, gangs); diff != "" {
		t.Error(diff)
	}
}

func TestTraceOfTimes(t *testing.T) {
	gangs, err := Trace(strings.NewReader("arrival,pods,duration\n2026-01-31T10:00:00+01:00,1,5\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC); !gangs[0].Arrival.Equal(want) {
		t.Errorf("arrival %v, want %v", gangs[0].Arrival, want)
	}
}

func TestTraceErrors(t *testing.T) {
	const header = "name,arrival,pods,gpus,duration,min,priority,preemptible,memory\n"
	for _, tc := range []struct{ name, trace, want string }{
		{"empty", "", "needs a header"},
		{"nothing but a header", header, "no job"},
		{"unknown column", "arrival,pods,duration,colour\n", `line 1: column "colour" is not known; there are name, arrival`},
		{"missing column", "arrival,pods\n", `line 1: column "duration" is missing`},
		{"column twice", "arrival,pods,duration,pods\n", `line 1: column "pods" is there twice`},
		{"no number", header + "a,soon,1,,5,,,,\n", `line 2: arrival: "soon" is neither a number of seconds`},
		{"no pods", header + "a,1,,,5,,,,\n", "line 2: pods: it is empty"},
		{"half a pod", header + "a,1,1.5,,5,,,,\n", `line 2: pods: "1.5" is not a whole number from 1 to 1000000`},
		{"negative GPUs", header + "a,1,1,-1,5,,,,\n", `line 2: gpus: "-1" is negative`},
		{"half a GPU", header + "a,1,1,0.5,5,,,,\n", `line 2: gpus: "0.5" is not a whole number`},
		{"NaN", header + "a,1,1,1,NaN,,,,\n", `line 2: duration: "NaN" is not a number of seconds`},
		{"never ends", header + "a,1,1,1,,,,,\n", "line 2: duration: it is empty or 0"},
		{"more than there are", header + "a,1,2,1,5,3,,,\n", "line 2: min: 3 is more than the 2 pods"},
		{"priority", header + "a,1,2,1,5,,9999999999,,\n", `line 2: priority: "9999999999" is not a whole number`},
		{"preemptible", header + "a,1,2,1,5,,,no,\n", `line 2: preemptible: "no" is neither`},
		{"memory", header + "a,1,2,1,5,,,,lots\n", `line 2: memory: "lots" is not a quantity`},
		{"name twice", header + "a,1,1,1,5,,,,\nb,1,1,1,5,,,,\na,1,1,1,5,,,,\n", `line 4: name: "a" is on line 2 already`},
		{"mixed", header + "a,1,1,1,5,,,,\nb,2026-01-31T10:00:00Z,1,1,5,,,,\n", "line 3: arrival: seconds and times are mixed"},
		{"too few fields", header + "a,1\n", "wrong number of fields"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Trace(strings.NewReader(tc.trace)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
		})
	}
}

// Whatever a file holds, Trace does not panic, and what it accepts can be simulated.
func FuzzTrace(f *testing.F) {
	f.Add("name,arrival,pods,gpus,cpu,memory,duration,queue,priority,expected,min,preemptible\na,1,2,3,4,5Gi,6,q,7,8,1,false\n")
	f.Add("arrival,pods,duration\n2026-01-31T10:00:00Z,1,5\n")
	f.Add("arrival,pods,duration,memory\n1e9,1,5,9223372036854775808\n\"")
	f.Fuzz(func(t *testing.T, trace string) {
		gangs, err := Trace(strings.NewReader(trace))
		if err != nil {
			return
		}
		for _, g := range gangs {
			if g.Name == "" || g.Queue == "" || g.Min < 1 || g.Min > g.Pods || g.Duration <= 0 || g.Expected < 0 || g.Arrival.IsZero() {
				t.Errorf("accepted %+v", g)
			}
			for name, amount := range g.Request {
				if amount < 0 {
					t.Errorf("accepted %d of %s", amount, name)
				}
			}
		}
	})
}
