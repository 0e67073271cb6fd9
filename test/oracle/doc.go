// Package oracle compares Muster's API types with those that users' manifests and clients were written against: of
// training-operator 1.9.3 (1.8.1 for MXJob, which later ones lack), mpi-operator 0.8.0 and trainer 2.1.0 (later ones do not
// compile with our release of Kubernetes). It is a module of its own, so that nothing of Muster depends on those. All of it
// is tests.
package oracle
