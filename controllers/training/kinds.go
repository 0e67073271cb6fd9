package training

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	trainingv2beta1 "github.com/muster-scheduling/muster/apis/training/v2beta1"
)

// kinds are all kinds of training jobs.
var kinds = []*kind{tfJob, pyTorchJob, jaxJob, xgBoostJob, paddleJob, mxJob, mpiJob}

// Controller is the controller of one kind of training jobs.
type Controller struct {
	// Kind is the kind of jobs, for example TFJob. Its group and version are trainingv1.GroupVersion.
	Kind string

	// NewJob returns an empty job of the kind. It may be called concurrently.
	NewJob func() trainingv1.Job

	// Setup adds the controller to a manager that has not started. It fails if the manager cannot watch the jobs or has a
	// controller of them already.
	Setup func(context.Context, manager.Manager, Config) error
}

// NewJob returns an empty job of the kind of a name, in an API version, and nil if no controller here runs such jobs.
func NewJob(apiVersion, name string) trainingv1.Job {
	if apiVersion == trainingv2beta1.GroupVersion.String() && name == mpiJob.name {
		return &trainingv2beta1.MPIJob{}
	}
	i := slices.IndexFunc(kinds, func(k *kind) bool { return k.name == name })
	if i < 0 || apiVersion != trainingv1.GroupVersion.String() {
		return nil
	}
	return kinds[i].newJob()
}

// Controllers lists the controllers of all kinds of training jobs.
func Controllers() []Controller {
	var all []Controller
	for _, k := range kinds {
		all = append(all, Controller{Kind: k.name, NewJob: k.newJob, Setup: k.setup})
	}
	return all
}
