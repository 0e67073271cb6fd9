package ledger

import (
	"math"
	"testing"

	"github.com/muster-scheduling/muster/internal/resource"
)

func TestCheck(t *testing.T) {
	l := ledgerOf(
		Queue{Name: "research", Limit: gpus(64), Guarantee: gpus(32)},
		Queue{Name: "team-a", Parent: "research", Guarantee: resource.Amounts{"nvidia.com/gpu": 16, "cpu": 1000}},
		Queue{Name: "team-b", Parent: "research", Limit: resource.Amounts{"memory": 1 << 40, "cpu": 2500}},
	)
	l.Charge("team-b", resource.Amounts{"nvidia.com/gpu": 48, "memory": 1 << 39}, false)
	l.Charge("team-a", gpus(12), true)
	for _, test := range []struct {
		queue string
		asked resource.Amounts
		firm  bool
		want  string
		never bool
	}{
		{"team-a", gpus(4), false, "", false},
		{"team-a", gpus(8), false, "queue research: 60 of 64 nvidia.com/gpu in use, 8 more asked", false},
		{"team-a", gpus(65), false, "queue research: 65 nvidia.com/gpu asked, the limit is 64", true},
		{"team-a", nil, false, "", false},
		{"team-a", gpus(-70), false, "", false},
		{"team-b", resource.Amounts{"memory": 3 << 38}, false, "queue team-b: 512Gi of 1Ti memory in use, 768Gi more asked", false},
		{"team-b", resource.Amounts{"memory": 1, "cpu": 2501}, false, "queue team-b: 2.501 cpu asked, the limit is 2.5", true},
		{"team-b", resource.Amounts{"memory": 3 << 38, "nvidia.com/gpu": 99}, false, "queue research: 99 nvidia.com/gpu asked, the limit is 64", true},
		{"team-a", gpus(4), true, "", false},
		{"team-a", gpus(5), true, "queue team-a: 12 of 16 guaranteed nvidia.com/gpu in use by gangs that may not be preempted, 5 more asked", false},
		{"team-a", gpus(17), true, "queue team-a: 17 nvidia.com/gpu asked, the guarantee is 16, and the gang may not be preempted", true},
		{"team-a", resource.Amounts{"cpu": 1000}, true, "queue research: guarantees nothing that is asked for, and the gang may not be preempted", true},
		{"team-b", gpus(1), true, "queue team-b: guarantees nothing that is asked for, and the gang may not be preempted", true},
		{"nobody", gpus(1), true, "", false},
	} {
		refusal := l.Check(test.queue, test.asked, test.firm)
		got, never := "", false
		if refusal != nil {
			got, never = refusal.String(), refusal.Never()
		}
		if got != test.want || never != test.never {
			t.Errorf("%v (firm: %v) in %s: %q, never %v; want %q, %v", test.asked, test.firm, test.queue, got, never, test.want, test.never)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		resource string
		amount   int64
		want     string
	}{
		{"cpu", 1500, "1.5"},
		{"cpu", 12000, "12"},
		{"cpu", -1, "-0.001"},
		{"memory", 1023, "1023"},
		{"memory", 3 << 29, "1.5Gi"},
		{"memory", 0, "0"},
		{"memory", math.MaxInt64, "8Ei"},
		{"ephemeral-storage", -1024, "-1Ki"},
		{"hugepages-2Mi", 2 << 20, "2Mi"},
		{"nvidia.com/gpu", 4096, "4096"},
	} {
		if got := Format(test.resource, test.amount); got != test.want {
			t.Errorf("%d of %s is written %q, want %q", test.amount, test.resource, got, test.want)
		}
	}
}
