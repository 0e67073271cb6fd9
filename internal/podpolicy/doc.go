// Package podpolicy decides what PodPolicies make of a pod that is being created.
//
// A policy is compiled once, with Compile, and then used for every pod, with Apply. A policy that cannot be followed for a
// pod is left out and reported. Nothing here keeps a pod from starting, and no pod is ever refused.
//
// # Idempotence
//
// Apply gives a pod that Apply then leaves as it is, whatever the policies are. Two rules lead there.
//
// The set of policies for a pod only grows: those that match the pod as it is, then those that match what the former made of
// it, and so on until no further one does. The pod's annotation names them all, so a policy stays in the set also where it
// changed what it matched by.
//
// What the set wants is settled before anything is written: for each field one value, that of the last policy that sets it
// Always, or else what the pod brings along, or else that of the first policy that sets it IfAbsent. What is already so is
// not touched.
//
// All functions may be called concurrently; none keeps or changes what it is given.
package podpolicy
