package resource

import (
	"maps"
	"math"
	"testing"
)

func TestAmounts(t *testing.T) {
	a := Amounts{"cpu": 1000, "gpu": 2}
	a.Add(Amounts{"gpu": 3, "memory": 7})
	if want := (Amounts{"cpu": 1000, "gpu": 5, "memory": 7}); !maps.Equal(a, want) {
		t.Errorf("after Add: %v, want %v", a, want)
	}
	a.Sub(Amounts{"gpu": 5, "memory": 8})
	if want := (Amounts{"cpu": 1000, "memory": -1}); !maps.Equal(a, want) {
		t.Errorf("after Sub: %v, want %v", a, want)
	}
	if got := (Amounts{"gpu": math.MaxInt64 / 2}).Times(3)["gpu"]; got != math.MaxInt64 {
		t.Errorf("3 times half of everything is %d, want it saturated", got)
	}
	if (Amounts)(nil).Clone() == nil {
		t.Error("the copy of nothing is nil: nothing can be added to it")
	}
}

func TestAmountsFit(t *testing.T) {
	free := Amounts{"gpu": 4, "cpu": -5}
	for _, test := range []struct {
		asked Amounts
		want  bool
	}{
		{Amounts{"gpu": 4}, true},
		{Amounts{"gpu": 5}, false},
		{Amounts{"gpu": 1, "cpu": 0}, true},
		{Amounts{"cpu": 1}, false},
		{Amounts{"fpga": 1}, false},
		{nil, true},
	} {
		if got := test.asked.Fits(free); got != test.want {
			t.Errorf("%v fits into %v: %v, want %v", test.asked, free, got, test.want)
		}
	}
}
