package ledger

import (
	"fmt"

	"github.com/muster-scheduling/muster/internal/resource"
)

// RefusalKind says what an amount runs into.
type RefusalKind int

// What refuses.
const (
	OverLimit     RefusalKind = iota // the limit, with what is in use
	NeverFits                        // the limit, with nothing in use
	OverGuarantee                    // the guarantee, with what firm gangs use
)

// Refusal says which queue has no quota for an amount, and of what.
type Refusal struct {
	Queue    string
	Kind     RefusalKind
	Resource string // "" if the guarantee names nothing that a firm gang asks for
	Used     int64  // for OverGuarantee: by firm gangs
	Asked    int64
	Cap      int64 // the limit or the guarantee
}

// Never reports whether the amount would be refused with nothing in use as well.
func (r Refusal) Never() bool {
	return r.Kind == NeverFits || r.Kind == OverGuarantee && (r.Resource == "" || r.Asked > r.Cap)
}

// String says it in words and numbers.
func (r Refusal) String() string {
	used, asked, most := Format(r.Resource, r.Used), Format(r.Resource, r.Asked), Format(r.Resource, r.Cap)
	switch {
	case r.Kind == OverLimit:
		return fmt.Sprintf("queue %s: %s of %s %s in use, %s more asked", r.Queue, used, most, r.Resource, asked)
	case r.Kind == NeverFits:
		return fmt.Sprintf("queue %s: %s %s asked, the limit is %s", r.Queue, asked, r.Resource, most)
	case r.Resource == "":
		return fmt.Sprintf("queue %s: guarantees nothing that is asked for, and the gang may not be preempted", r.Queue)
	case r.Asked > r.Cap:
		return fmt.Sprintf("queue %s: %s %s asked, the guarantee is %s, and the gang may not be preempted",
			r.Queue, asked, r.Resource, most)
	}
	return fmt.Sprintf("queue %s: %s of %s guaranteed %s in use by gangs that may not be preempted, %s more asked",
		r.Queue, used, most, r.Resource, asked)
}

// Check says whether the queue and all above it have quota for an amount that is not charged yet; nil if they do. A firm
// amount must be covered by the guarantee of each of them, counting what other firm gangs use: else a guarantee could be
// promised twice. The implicit queue Default promises nothing to anybody and refuses nobody. Where several refuse, one that always would goes first, then the nearest; of its resources the first by
// name.
func (l *Ledger) Check(queue string, amount resource.Amounts, firm bool) *Refusal {
	var first *Refusal
	for n := l.nodes[queue]; n != nil; n = n.parent {
		refusal := n.overLimit(amount)
		if firm && !n.implicit && (refusal == nil || !refusal.Never()) {
			if beyond := n.beyondGuarantee(amount); beyond != nil && (refusal == nil || beyond.Never()) {
				refusal = beyond
			}
		}
		switch {
		case refusal == nil:
		case refusal.Never():
			return refusal
		case first == nil:
			first = refusal
		}
	}
	return first
}

// overLimit returns how an amount exceeds the limit of one queue, preferably with nothing in use.
func (n *node) overLimit(amount resource.Amounts) (refusal *Refusal) {
	for _, limit := range n.limit {
		asked, used := amount[limit.resource], n.used.at(limit.dim)
		switch {
		case asked <= 0:
		case asked > limit.amount:
			return &Refusal{Queue: n.name, Kind: NeverFits, Resource: limit.resource, Used: used, Asked: asked, Cap: limit.amount}
		case resource.Sum(used, asked) > limit.amount && refusal == nil:
			refusal = &Refusal{Queue: n.name, Kind: OverLimit, Resource: limit.resource, Used: used, Asked: asked, Cap: limit.amount}
		}
	}
	return refusal
}

// beyondGuarantee returns how a firm amount exceeds what one queue guarantees, preferably with nothing in use.
func (n *node) beyondGuarantee(amount resource.Amounts) (refusal *Refusal) {
	named := false
	for _, g := range n.guarantee {
		asked, used := amount[g.resource], n.firm.at(g.dim)
		if asked <= 0 {
			continue
		}
		named = true
		if resource.Sum(used, asked) > g.amount && (refusal == nil || asked > g.amount) {
			refusal = &Refusal{Queue: n.name, Kind: OverGuarantee, Resource: g.resource, Used: used, Asked: asked, Cap: g.amount}
			if refusal.Never() {
				return refusal
			}
		}
	}
	if !named {
		return &Refusal{Queue: n.name, Kind: OverGuarantee}
	}
	return refusal
}

// Covered reports whether the guarantee of the very queue covers an amount that is not charged yet.
func (l *Ledger) Covered(queue string, amount resource.Amounts) bool {
	n, ok := l.nodes[queue]
	return ok && n.covers(amount)
}

func (n *node) covers(amount resource.Amounts) bool {
	named := false
	for _, g := range n.guarantee {
		asked := amount[g.resource]
		if asked <= 0 {
			continue
		}
		if resource.Sum(n.used.at(g.dim), asked) > g.amount {
			return false
		}
		named = true
	}
	return named
}
