// Package topology decides in which domains (blocks, racks, hosts) a gang is placed. It puts the constraints of a gang, of
// its roles and of their segments on top of internal/gang, which places members on the nodes of a domain. Everything here
// is a function of plain values.
package topology

import (
	"fmt"

	"github.com/muster-scheduling/muster/internal/gang"
)

// Want is what somebody asks for: the names of two levels, each empty if nothing is asked for.
type Want struct {
	// Required is the level of which one domain has to hold all members.
	Required string
	// Preferred is the level of which as few domains as possible should be used. It never keeps a gang waiting.
	Preferred string
}

// Unit is a set of members that belong together: a role, or one segment of it.
type Unit struct {
	// Name is for messages: "role worker", "workers 4-7".
	Name string
	Want Want
	// Runs are the nodes on which members of the unit run already.
	Runs []int32
}

// Member is one member that waits to be placed.
type Member struct {
	// Class is the index of its class in the problem.
	Class int
	// Unit is the index of its unit in Request.Units, or -1.
	Unit int
}

// Request is what a gang asks of the topology. A gang is placed inside one Topology that knows all levels it names; if
// several do, the best answer wins.
type Request struct {
	// Trees are the Topologies, over the nodes of the problem.
	Trees []*Tree
	// Gang is what holds for the gang as a whole.
	Gang Want
	// Runs are the nodes on which members of the gang run already.
	Runs []int32
	// Units are the parts of the gang that ask for something themselves.
	Units []Unit
	// Members are all members that wait, the most important ones first: the first Needed have to be placed together, the
	// others as far as they fit. Nil stands for the members of all classes in their order, without units.
	Members []Member
	// Needed holds where a unit asks for something. Elsewhere the problem's Need does, which may be met by other members
	// than the first.
	Needed int
	// Ranks are the ranks of Members: consecutive ranks should be near each other. Nil stands for the order of Members.
	Ranks []int
}

// Answer is the answer to a Request.
type Answer struct {
	gang.Outcome
	// At is the node of each member of Request.Members, -1 for one that is not placed. Nil unless Placed.
	At []int32
	// Where is the narrowest domain that holds all placed members, like "rack b1/r7". Empty if none does.
	Where string
	// Fault says why no room could ever help: a level that no Topology has, a label on no node, members that run in
	// different domains. The result is then gang.Impossible.
	Fault string
	// Ignored says which preference is not followed, because no Topology has its level beside those that are required.
	Ignored string
	// Domains are the few domains that could take most of the gang. Nil if Placed.
	Domains []Refusal
}

// Refusal tells how much of a gang, or of a unit, a domain can take.
type Refusal struct {
	// Domain is the domain's title.
	Domain string
	// Fit of the Asked members have room there.
	Fit, Asked int
	// Unit is the name of the unit that has no room. Empty for the gang.
	Unit string
}

// String is like "rack b1/r7 can take 6 of 8", or "rack b1/r7 can take 6 of 8 of role worker".
func (r Refusal) String() string {
	s := fmt.Sprintf("%s can take %d of %d", r.Domain, r.Fit, r.Asked)
	if r.Unit != "" {
		s += " of " + r.Unit
	}
	return s
}
