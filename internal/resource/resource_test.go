package resource

import (
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTable(t *testing.T) {
	table := NewTable("pods", "cpu", "nvidia.com/gpu", "cpu")
	if table.Len() != 3 || table.Name(0) != "cpu" || table.Name(2) != "pods" {
		t.Fatalf("names are not sorted and unique: %q", table.names)
	}
	if d, ok := table.Dimension("nvidia.com/gpu"); !ok || d != 1 {
		t.Errorf("dimension of nvidia.com/gpu = %d, %v", d, ok)
	}
	if _, ok := table.Dimension("memory"); ok {
		t.Error("the table claims to have memory")
	}
	v, err := table.Vector(map[string]int64{"pods": 1, "cpu": 500})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Vector{500, 0, 1}, v); diff != "" {
		t.Error(diff)
	}
	if _, err := table.Vector(map[string]int64{"memory": 1}); err == nil {
		t.Error("an unknown resource was accepted")
	}
}

func TestFitsAndTimes(t *testing.T) {
	for _, tc := range []struct {
		name          string
		request, free Vector
		times         int64
	}{
		{"exactly", Vector{4, 1}, Vector{8, 2}, 2},
		{"scarcest dimension decides", Vector{1, 1}, Vector{8, 2}, 2},
		{"too big", Vector{9, 0}, Vector{8, 2}, 0},
		{"overcommitted", Vector{1, 1}, Vector{-1, 2}, 0},
		{"overcommitted where nothing is asked", Vector{0, 1}, Vector{-1, 2}, 2},
		{"asks nothing", Vector{0, 0}, Vector{-1, 0}, Unlimited},
		{"negative request asks nothing", Vector{-5, 1}, Vector{0, 3}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.request.Times(tc.free); got != tc.times {
				t.Errorf("Times = %d, want %d", got, tc.times)
			}
			if got := tc.request.Fits(tc.free); got != (tc.times > 0) {
				t.Errorf("Fits = %v with Times %d", got, tc.times)
			}
		})
	}
}

// Whatever the amounts, arithmetic gives what unbounded integers give, cut off
// at the ends of int64.
func TestArithmeticSaturates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edge := rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1, 1 << 32})
		amount := rapid.OneOf(edge, rapid.Int64())
		a, b := amount.Draw(t, "a"), amount.Draw(t, "b")
		x, y := big.NewInt(a), big.NewInt(b)
		check := func(op string, got int64, want *big.Int) {
			if got != cutOff(want) {
				t.Fatalf("%d %s %d = %d, want %s cut off at int64", a, op, b, got, want)
			}
		}
		check("+", Sum(a, b), new(big.Int).Add(x, y))
		check("-", Difference(a, b), new(big.Int).Sub(x, y))
		check("*", Product(a, b), new(big.Int).Mul(x, y))

		sum, difference := Vector{a}, Vector{a}
		sum.Add(Vector{b})
		difference.Sub(Vector{b})
		if sum[0] != Sum(a, b) || difference[0] != Difference(a, b) {
			t.Fatalf("vectors differ from their amounts: %v %v", sum, difference)
		}
	})
}

func cutOff(x *big.Int) int64 {
	switch {
	case x.IsInt64():
		return x.Int64()
	case x.Sign() > 0:
		return math.MaxInt64
	}
	return math.MinInt64
}
