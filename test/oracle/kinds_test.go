package oracle

import (
	"encoding/json"
	"fmt"
	"testing"

	mpiv2beta1 "github.com/kubeflow/mpi-operator/pkg/apis/kubeflow/v2beta1"
	upstreamtrainer "github.com/kubeflow/trainer/v2/pkg/apis/trainer/v1alpha1"
	upstreamv18 "github.com/kubeflow/training-operator-1.8/pkg/apis/kubeflow.org/v1"
	upstreamv1 "github.com/kubeflow/training-operator/pkg/apis/kubeflow.org/v1"
	kjson "sigs.k8s.io/json"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	trainingv2beta1 "github.com/muster-scheduling/muster/apis/training/v2beta1"
)

// A kind is one that both have types for.
type kind struct {
	apiVersion, name string
	upstream, ours   func() any // empty objects
	lists            func() (upstream, ours any)
	// byHand are kinds that are compared by the manifests in testdata alone: those of others use fields of later releases,
	// and ours have no types for what nobody says in such an object.
	byHand bool
	// more are the fields that only ours have: of the other version of the kind, and what Muster tells in the status.
	more []string
}

// toldInStatus are fields of the status that only Muster has.
var toldInStatus = []string{"status.restarts", "status.restartedPods", "status.restartedGang"}

var kinds = []kind{
	{apiVersion: "kubeflow.org/v1", name: "TFJob", upstream: empty[upstreamv1.TFJob], ours: empty[trainingv1.TFJob],
		lists: lists[upstreamv1.TFJobList, trainingv1.TFJobList], more: toldInStatus},
	{apiVersion: "kubeflow.org/v1", name: "PyTorchJob", upstream: empty[upstreamv1.PyTorchJob], ours: empty[trainingv1.PyTorchJob],
		lists: lists[upstreamv1.PyTorchJobList, trainingv1.PyTorchJobList], more: toldInStatus},
	{apiVersion: "kubeflow.org/v1", name: "JAXJob", upstream: empty[upstreamv1.JAXJob], ours: empty[trainingv1.JAXJob],
		lists: lists[upstreamv1.JAXJobList, trainingv1.JAXJobList], more: toldInStatus},
	{apiVersion: "kubeflow.org/v1", name: "XGBoostJob", upstream: empty[upstreamv1.XGBoostJob], ours: empty[trainingv1.XGBoostJob],
		lists: lists[upstreamv1.XGBoostJobList, trainingv1.XGBoostJobList], more: toldInStatus},
	{apiVersion: "kubeflow.org/v1", name: "PaddleJob", upstream: empty[upstreamv1.PaddleJob], ours: empty[trainingv1.PaddleJob],
		lists: lists[upstreamv1.PaddleJobList, trainingv1.PaddleJobList], more: toldInStatus},
	{apiVersion: "kubeflow.org/v1", name: "MXJob", upstream: empty[upstreamv18.MXJob], ours: empty[trainingv1.MXJob],
		lists: lists[upstreamv18.MXJobList, trainingv1.MXJobList], more: append([]string{"spec.runPolicy.managedBy"}, toldInStatus...)},
	{apiVersion: "kubeflow.org/v1", name: "MPIJob", upstream: empty[upstreamv1.MPIJob], ours: empty[trainingv1.MPIJob],
		lists: lists[upstreamv1.MPIJobList, trainingv1.MPIJobList],
		more: append([]string{"spec.runLauncherAsWorker", "spec.sshAuthMountPath", "spec.launcherCreationPolicy", "spec.mpiImplementation"},
			toldInStatus...)},
	{apiVersion: "kubeflow.org/v2beta1", name: "MPIJob", upstream: empty[mpiv2beta1.MPIJob], ours: empty[trainingv2beta1.MPIJob],
		lists: lists[mpiv2beta1.MPIJobList, trainingv2beta1.MPIJobList], more: append([]string{"spec.cleanPodPolicy", "spec.mainContainer"}, toldInStatus...)},
	{apiVersion: "trainer.kubeflow.org/v1alpha1", name: "TrainJob", byHand: true, upstream: empty[upstreamtrainer.TrainJob], ours: empty[trainerv1alpha1.TrainJob]},
	{apiVersion: "trainer.kubeflow.org/v1alpha1", name: "TrainingRuntime", byHand: true, upstream: empty[upstreamtrainer.TrainingRuntime],
		ours: empty[trainerv1alpha1.TrainingRuntime]},
	{apiVersion: "trainer.kubeflow.org/v1alpha1", name: "ClusterTrainingRuntime", byHand: true, upstream: empty[upstreamtrainer.ClusterTrainingRuntime],
		ours: empty[trainerv1alpha1.ClusterTrainingRuntime]},
}

func empty[T any]() any { return new(T) }

func lists[Upstream, Ours any]() (any, any) { return new(Upstream), new(Ours) }

func (k kind) String() string { return k.apiVersion + " " + k.name }

// find returns the kind of a manifest, and false if it is none of a training job.
func find(apiVersion, name string) (kind, bool) {
	for _, k := range kinds {
		if k.apiVersion == apiVersion && k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// decode reads JSON as the API server does: fields are told from each other by case, and none may be unknown or given
// twice.
func decode(data []byte, into any) error {
	strict, err := kjson.UnmarshalStrict(data, into)
	if err == nil && len(strict) > 0 {
		err = fmt.Errorf("%v", strict)
	}
	return err
}

// encode returns what an object is in JSON, as maps and lists.
func encode(t *testing.T, object any) any {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return tidy(value)
}

// tidy leaves away the one field that upstream writes even if it is empty, and ours do not.
func tidy(value any) any {
	if object, ok := value.(map[string]any); ok {
		if spec, ok := object["spec"].(map[string]any); ok && spec["jobMode"] == "" {
			delete(spec, "jobMode")
		}
	}
	return value
}
