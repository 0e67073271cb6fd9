package gang

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseSpec(t *testing.T) {
	for _, tc := range []struct {
		name       string
		minMember  int32
		minMembers string
		want       Spec
		wantErr    string
	}{
		{name: "total only", minMember: 4, want: Spec{MinMember: 4}},
		{name: "roles", minMember: 4, minMembers: `{"ps":1,"worker":2}`, want: Spec{MinMember: 4, RoleMin: map[string]int{"ps": 1, "worker": 2}}},
		{name: "zero", minMember: 0, wantErr: "must be at least 1"},
		{name: "negative", minMember: -1, wantErr: "must be at least 1"},
		{name: "not JSON", minMember: 1, minMembers: "ps=1", wantErr: "must be a JSON object"},
		{name: "trailing words", minMember: 1, minMembers: `{"ps":1} and more`, wantErr: "must be a JSON object"},
		{name: "fraction", minMember: 1, minMembers: `{"ps":0.5}`, wantErr: "must be a JSON object"},
		{name: "negative role", minMember: 1, minMembers: `{"ps":-1}`, wantErr: "between 0 and spec.minMember"},
		{name: "role above the total", minMember: 1, minMembers: `{"ps":2}`, wantErr: "between 0 and spec.minMember"},
		{name: "sum above the total", minMember: 2, minMembers: `{"ps":1,"worker":2}`, wantErr: "adds up to 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseSpec(tc.minMember, tc.minMembers)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("error %v, want one that says %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add(int32(4), `{"ps":1,"worker":2}`)
	f.Add(int32(1), `null`)
	f.Add(int32(0), `[`)
	f.Fuzz(func(t *testing.T, minMember int32, minMembers string) {
		spec, err := ParseSpec(minMember, minMembers)
		if err != nil {
			return
		}
		if sum := Tally(spec.RoleMin).Total(); spec.MinMember < 1 || sum > spec.MinMember || sum < 0 {
			t.Errorf("ParseSpec(%d, %q) accepted %+v", minMember, minMembers, spec)
		}
	})
}

func TestNeed(t *testing.T) {
	spec := Spec{MinMember: 4, RoleMin: map[string]int{"ps": 1, "worker": 2}}
	for _, tc := range []struct {
		name string
		held Tally
		want Need
	}{
		{name: "nothing runs", want: Need{Total: 4, Role: map[string]int{"ps": 1, "worker": 2}}},
		{name: "workers do not stand in for the ps", held: Tally{"worker": 4}, want: Need{Total: 1, Role: map[string]int{"ps": 1}}},
		{name: "roles met, total not", held: Tally{"ps": 1, "worker": 2}, want: Need{Total: 1}},
		{name: "met", held: Tally{"ps": 1, "worker": 3}, want: Need{}},
		{name: "more than met", held: Tally{"ps": 1, "worker": 9}, want: Need{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, spec.Need(tc.held)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Placing exactly what is needed always meets the Spec, and one member fewer never does.
func TestNeedIsExact(t *testing.T) {
	roles := []string{"", "ps", "worker"}
	rapid.Check(t, func(t *rapid.T) {
		spec := Spec{RoleMin: map[string]int{}}
		held := Tally{}
		for _, role := range roles {
			spec.RoleMin[role] = rapid.IntRange(0, 3).Draw(t, "min")
			held[role] = rapid.IntRange(0, 5).Draw(t, "held")
		}
		spec.MinMember = max(1, Tally(spec.RoleMin).Total()+rapid.IntRange(0, 3).Draw(t, "more"))
		need := spec.Need(held)
		sum := 0
		for role, n := range need.Role {
			held[role] += n
			sum += n
		}
		held["worker"] += need.Total - sum
		if again := spec.Need(held); !again.Met() {
			t.Fatalf("placing %+v leaves %+v", need, again)
		}
		if need.Met() {
			return
		}
		for _, role := range roles {
			if held[role] == 0 {
				continue
			}
			held[role]--
			missing := spec.Need(held).Met()
			held[role]++
			if missing && sum == need.Total && need.Role[role] > 0 {
				t.Fatalf("need %+v was more than needed for role %q", need, role)
			}
		}
	})
}
