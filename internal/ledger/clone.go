package ledger

import (
	"maps"
	"slices"
)

// Clone returns a ledger that holds the same and shares nothing that changes.
func (l *Ledger) Clone() *Ledger {
	c := *l
	c.dims, c.names, c.capacity = maps.Clone(l.dims), slices.Clone(l.names), slices.Clone(l.capacity)
	c.nodes = make(map[string]*node, len(l.nodes))
	for _, top := range l.tops {
		c.adopt(top, nil)
	}
	c.tops = c.copies(l.tops)
	return &c
}

// adopt adds copies of a node and of all below it.
func (l *Ledger) adopt(original, parent *node) {
	n := *original
	n.parent = parent
	n.own, n.ownFirm = slices.Clone(n.own), slices.Clone(n.ownFirm)
	n.used, n.firm, n.average = slices.Clone(n.used), slices.Clone(n.firm), slices.Clone(n.average)
	l.nodes[n.name] = &n
	for _, child := range original.children {
		l.adopt(child, &n)
	}
	n.children = l.copies(original.children)
}

func (l *Ledger) copies(originals []*node) []*node {
	copies := make([]*node, len(originals))
	for i, original := range originals {
		copies[i] = l.nodes[original.name]
	}
	return copies
}
