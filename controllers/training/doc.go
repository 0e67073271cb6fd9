// Package training runs the training jobs of kubeflow.org/v1: one engine for all kinds, and for each kind a small file of
// what sets it apart. README.md says what it promises.
package training
