package state

import (
	"maps"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// bill adds up what members that are not charged yet would be charged with together. A ResourceClaim counts once, and not at
// all where a queue is charged for it already.
type bill struct {
	amount resource.Amounts
	claims map[*deviceClaim]struct{}
}

func newBill() bill { return bill{amount: resource.Amounts{}, claims: map[*deviceClaim]struct{}{}} }

// billOf is what one member costs.
func billOf(m *member) resource.Amounts {
	if len(m.claims) == 0 {
		return m.amount
	}
	b := newBill()
	b.add(m)
	return b.amount
}

func (b *bill) add(m *member) {
	b.amount.Add(m.amount)
	for _, c := range m.claims {
		if _, counted := b.claims[c]; !counted && c.booked == nil {
			b.claims[c] = struct{}{}
			b.amount.Add(c.amount)
		}
	}
}

// with is the bill with one more member.
func (b *bill) with(m *member) bill {
	more := bill{amount: b.amount.Clone(), claims: maps.Clone(b.claims)}
	more.add(m)
	return more
}

// costs is what a queue is charged with for a member that is charged. Claims cost nothing where another one used them first.
func (m *member) costs() resource.Amounts {
	costs := m.booked.amount.Clone()
	for _, c := range m.claims {
		if c.booked != nil && c.users[0] == m {
			costs.Add(c.amount)
		}
	}
	return costs
}

// givenBack is what queues get back when members leave: what they ask for, and the claims that are used by nobody but who
// leaves along with them.
func givenBack(members []*member, leaves func(*member) bool) resource.Amounts {
	amount, seen := resource.Amounts{}, map[*deviceClaim]bool{}
	for _, m := range members {
		amount.Add(m.amount)
		for _, c := range m.claims {
			if !seen[c] && c.booked != nil && c.usedOnlyBy(leaves) {
				seen[c] = true
				amount.Add(c.amount)
			}
		}
	}
	return amount
}

func (c *deviceClaim) usedOnlyBy(these func(*member) bool) bool {
	return !slices.ContainsFunc(c.users, func(m *member) bool { return !these(m) })
}
