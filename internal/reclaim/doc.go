// Package reclaim decides whom to evict so that a gang that waits, the claimant, can run: gangs of other queues that use more
// than their guarantee, and gangs of lower priority in the claimant's own queue. Nothing is chosen unless the whole gang
// fits afterwards, its quota included, and no victim that could be spared.
//
// Victims are units: a member beyond its gang's minimum, or the minimum as a whole, with which the members beyond it go.
// Whether the queues let go of a unit is asked of the ledger for one unit after the other, as what has gone before counts.
package reclaim
