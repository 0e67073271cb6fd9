// Package gang holds the decisions about gangs: what a PodGroup asks for, what is still missing, why a gang waits, and
// where its members go. Everything here is a function of plain values: the caller brings the objects and the time.
package gang

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Spec is what a gang asks for: how many members have to run together.
type Spec struct {
	// MinMember is the number of members, over all roles, that have to be placed together. At least 1.
	MinMember int
	// RoleMin is the minimum of each role that has one. The sum never exceeds MinMember.
	RoleMin map[string]int
}

// ParseSpec reads a Spec from a PodGroup's spec.minMember and the value of its annotation
// scheduling.muster.dev/min-members, which is empty where the PodGroup has none. The error names the field, what it
// holds and what would be right; a gang whose Spec does not parse waits as Misconfigured.
func ParseSpec(minMember int32, minMembers string) (Spec, error) {
	if minMember < 1 {
		return Spec{}, fmt.Errorf("spec.minMember is %d: it must be at least 1", minMember)
	}
	spec := Spec{MinMember: int(minMember)}
	if minMembers == "" {
		return spec, nil
	}
	decoder := json.NewDecoder(strings.NewReader(minMembers))
	if err := decoder.Decode(&spec.RoleMin); err != nil || decoder.More() {
		return Spec{}, fmt.Errorf("annotation min-members is %q: it must be a JSON object of role to count, like {\"ps\":1,\"worker\":2}", minMembers)
	}
	sum := 0
	for _, role := range slices.Sorted(maps.Keys(spec.RoleMin)) {
		minimum := spec.RoleMin[role]
		if minimum < 0 || minimum > spec.MinMember {
			return Spec{}, fmt.Errorf("annotation min-members asks for %d of role %q: it must be between 0 and spec.minMember (%d)", minimum, role, spec.MinMember)
		}
		sum += minimum
	}
	if sum > spec.MinMember {
		return Spec{}, fmt.Errorf("annotation min-members adds up to %d: it must not exceed spec.minMember (%d)", sum, spec.MinMember)
	}
	return spec, nil
}

// Tally counts members by role.
type Tally map[string]int

// Total is the number of members over all roles.
func (t Tally) Total() int {
	total := 0
	for _, n := range t {
		total += n
	}
	return total
}

// Need is how many members have still to be placed, together, for a gang to have its minimum.
type Need struct {
	// Total is the number over all roles; at least the sum of Role.
	Total int
	// Role is the number for each role that lacks members. Roles that lack none are absent.
	Role map[string]int
}

// Met reports whether nothing is missing.
func (n Need) Met() bool { return n.Total == 0 }

// Need is what a gang of this Spec lacks when the members in held run already or have succeeded.
//
// Members beyond a role's minimum count towards MinMember, but they never stand in for a member of another role that
// is below its own minimum.
func (s Spec) Need(held Tally) Need {
	need := Need{}
	roles := 0
	for role, minimum := range s.RoleMin {
		if missing := minimum - held[role]; missing > 0 {
			if need.Role == nil {
				need.Role = map[string]int{}
			}
			need.Role[role] = missing
			roles += missing
		}
	}
	need.Total = max(s.MinMember-held.Total(), roles)
	return need
}

// Shortage says which members do not even exist, as words like "2 of 4 members exist", or is empty when ready, the
// members that wait to be placed, can cover the need.
func (s Spec) Shortage(held, ready Tally) string {
	need := s.Need(held)
	for _, role := range slices.Sorted(maps.Keys(need.Role)) {
		if ready[role] < need.Role[role] {
			return fmt.Sprintf("%d of at least %d members of role %q are there", held[role]+ready[role], s.RoleMin[role], role)
		}
	}
	if ready.Total() < need.Total {
		return fmt.Sprintf("%d of at least %d members are there", held.Total()+ready.Total(), s.MinMember)
	}
	return ""
}
