// Package reclaim decides whom to evict so that a gang that waits, the claimant, can run: gangs of other queues that use more
// than their guarantee, and gangs of lower priority in the claimant's own queue. Nothing is chosen unless the whole gang
// fits afterwards, its quota included, and no victim that could be spared.
//
// Victims are units: a member beyond its gang's minimum, or the minimum as a whole, with which the members beyond it go.
// Whether a queue lets go of a unit is asked of the ledger with those gone that were taken before it, so that a set of units
// may be legal in one order and not in another.
//
// A decision goes through these steps, each of which may be the last:
//
//  1. As it is (decide.go): the claimant fits without any victim, or asks for more than its queue may ever have.
//  2. At most (decide.go): it does not fit with everything gone that may go as far as each unit alone is concerned.
//  3. Bounds (bound.go, pack.go): what its members must take from running pods, wherever they go, is more than the guarantees
//     of the victims' queues let go of.
//  4. Greedy choice (choose.go, offer.go): for one member after the other the set of units that makes room for it on some node
//     at the least price for each member gained, counting the room that wide gangs leave on other nodes (price.go). Units that
//     would bring a queue below its guarantee are taken last. Then every victim is spared that is not needed, the dearest
//     first (prune.go). If that evicts more than MaxRatio allows, once more with the least use before the least price.
//  5. MaxRatio (pack.go): no victims can be within it, by the same bounds and by what clearing each single node takes.
//  6. Line (line.go): all units in the order of greedy choice; by halving the shortest part of it that Verify agrees to.
//  7. Search (search.go): all sets of units that can be taken in some order, until one fits or the budget is spent.
//
// A claimant that has to be in one domain of a Topology (domain.go) goes through steps 1 and 2, and then through all of them in each
// domain that could hold it, as if there were no other nodes; the cheapest victims are taken. Where its parts, roles or
// segments, ask for domains (parts.go), the line comes before greedy choice: the shortest part of it that the planner agrees to
// shows in which domains the parts are to be.
//
// Steps 2, 3, 5 and 7 prove that something is impossible; 7 is exact when it ends within the budget. Steps are counted,
// never timed: equal questions have equal answers.
//
// For a claimant of one class room is counted exactly by arithmetic, so sparing a victim costs nothing to speak of. For
// several classes, and where parts ask for domains, the planner judges where counting leaves the question open. Verify, where
// there is one, is asked last.
package reclaim
