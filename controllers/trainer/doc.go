// Package trainer runs TrainJobs of trainer.kubeflow.org: each becomes a set of Jobs, as its runtime says.
package trainer
