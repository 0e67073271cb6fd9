package training

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var tfJob = &kind{
	name:          "TFJob",
	newJob:        func() trainingv1.Job { return &trainingv1.TFJob{} },
	replicasField: "tfReplicaSpecs",
	types: []trainingv1.ReplicaType{
		trainingv1.TFChief, trainingv1.TFMaster, trainingv1.TFPS, trainingv1.TFWorker, trainingv1.TFEvaluator,
	},
	leaders:       []trainingv1.ReplicaType{trainingv1.TFChief, trainingv1.TFMaster},
	worker:        trainingv1.TFWorker,
	container:     "tensorflow",
	portName:      "tfjob-port",
	port:          2222,
	restartPolicy: trainingv1.RestartPolicyNever,
	validate:      validateTFJob,
	environment:   tfEnvironment,
	succeeded:     tfSucceeded,
	tolerates: func(job trainingv1.Job, t trainingv1.ReplicaType) bool {
		return job.(*trainingv1.TFJob).Spec.EnableDynamicWorker && t == trainingv1.TFWorker
	},
}

func validateTFJob(job trainingv1.Job) field.ErrorList {
	replicas := job.Replicas()
	if replicas[trainingv1.TFChief] != nil && replicas[trainingv1.TFMaster] != nil {
		return field.ErrorList{field.Forbidden(field.NewPath("spec", "tfReplicaSpecs").Key("Master"),
			"Chief and Master mean the same: give one of them")}
	}
	return nil
}

// tfSucceeded: worker 0 decides, or all workers where the success policy says so. Parameter servers alone, with no
// worker to serve, have succeeded when all have.
func tfSucceeded(job trainingv1.Job, workers []member) bool {
	policy := job.(*trainingv1.TFJob).Spec.SuccessPolicy
	if job.Replicas()[trainingv1.TFWorker] == nil || policy != nil && *policy == trainingv1.SuccessPolicyAllWorkers {
		return allMembers(workers, member.succeeded)
	}
	return len(workers) > 0 && workers[0].succeeded()
}

// tfTask is which of the pods this one is, in TF_CONFIG.
type tfTask struct {
	Type  string `json:"type"`
	Index int32  `json:"index"`
}

// sparseCluster is what a pod of a job with dynamic workers gets to know: all parameter servers, and of the workers only
// itself, so that the others can come and go. (Upstream tells a parameter server of itself alone, in a list: TensorFlow then
// does not find a server with an index above 0.)
type sparseCluster struct {
	Worker map[string]string `json:"worker"`
	PS     []string          `json:"ps"`
}

// tfEnvironment sets TF_CONFIG in the main container. A job of a single pod gets none: it is not distributed, and
// TensorFlow would wait for a cluster.
func tfEnvironment(k *kind, config Config, job trainingv1.Job) injector {
	if totalReplicas(job) == 1 {
		return func(member, *corev1.PodSpec) {}
	}
	addresses := tfCluster(k, config, job)
	whole, dynamic := asJSON(addresses), job.(*trainingv1.TFJob).Spec.EnableDynamicWorker
	return func(m member, pod *corev1.PodSpec) {
		c := mainContainer(pod.Containers, k.container)
		if c == nil {
			return
		}
		task := asJSON(tfTask{Type: strings.ToLower(string(m.rtype)), Index: m.index})
		value := `{"cluster":` + whole + `,"task":` + task + `,"environment":"cloud"}`
		if dynamic {
			value = `{"cluster":` + asJSON(tfSparseCluster(addresses, m)) + `,"task":` + task + `}`
		}
		c.Env = append(c.Env, corev1.EnvVar{Name: "TF_CONFIG", Value: value})
	}
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("strings and integers cannot be written as JSON: %v", err))
	}
	return string(text)
}

// tfCluster is the address of every pod, by replica type in lower case.
func tfCluster(k *kind, config Config, job trainingv1.Job) map[string][]string {
	cluster := map[string][]string{}
	for t, spec := range job.Replicas() {
		addresses := make([]string, 0, *spec.Replicas)
		for i := range *spec.Replicas {
			addresses = append(addresses, tfAddress(k, config, job, t, i))
		}
		cluster[strings.ToLower(string(t))] = addresses
	}
	return cluster
}

func tfSparseCluster(addresses map[string][]string, m member) sparseCluster {
	sparse := sparseCluster{Worker: map[string]string{}, PS: append([]string{}, addresses["ps"]...)}
	if m.rtype == trainingv1.TFWorker {
		sparse.Worker[fmt.Sprint(m.index)] = addresses["worker"][m.index]
	}
	return sparse
}

func tfAddress(k *kind, config Config, job trainingv1.Job, t trainingv1.ReplicaType, index int32) string {
	host := fmt.Sprintf("%s.%s.svc", memberName(job.GetName(), t, index), job.GetNamespace())
	if config.ClusterDomain != "" {
		host += "." + config.ClusterDomain
	}
	return fmt.Sprintf("%s:%d", host, k.portOf(job, t))
}
