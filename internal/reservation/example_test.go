package reservation

import (
	"testing"
	"time"
)

// The example of docs/backfill.md.
func TestDocumentedExample(t *testing.T) {
	a, b, c := node("a", 8, until(60, 8)), node("b", 8, until(30, 4)), node("c", 8, Use{Amount: []int64{6}})
	hold, _ := renew(t, ask(2, 8, time.Hour, a, b, c), Hold{Gang: "big"})
	if !hold.Start.Equal(after(60)) || !hold.End.Equal(after(120)) || hold.Amount["a"]["gpu"] != 8 || hold.Amount["b"]["gpu"] != 8 {
		t.Fatalf("big is held %+v", hold)
	}
	for _, test := range []struct {
		job   string
		until time.Time
		spare [3]int64
	}{
		{"short", after(40), [3]int64{0, 4, 2}},
		{"long", after(120), [3]int64{0, 0, 2}},
		{"notebook and sweep", time.Time{}, [3]int64{0, 0, 2}},
	} {
		for i, n := range []Node{a, b, c} {
			if got := Spare(gpus, n, []Hold{hold}, noon, test.until); got[0] != test.spare[i] {
				t.Errorf("%s may take %d on %s, want %d", test.job, got[0], n.Name, test.spare[i])
			}
		}
	}
}
