package training

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var mxJob = &kind{
	name:          "MXJob",
	newJob:        func() trainingv1.Job { return &trainingv1.MXJob{} },
	replicasField: "mxReplicaSpecs",
	types: []trainingv1.ReplicaType{
		trainingv1.MXScheduler, trainingv1.MXServer, trainingv1.MXWorker,
		trainingv1.MXTunerTracker, trainingv1.MXTunerServer, trainingv1.MXTuner,
	},
	leaders:       []trainingv1.ReplicaType{trainingv1.MXScheduler, trainingv1.MXTuner},
	masterRole:    trainingv1.MXServer,
	worker:        trainingv1.MXWorker,
	container:     "mxnet",
	portName:      "mxjob-port",
	port:          9091,
	restartPolicy: trainingv1.RestartPolicyNever,
	setDefaults: func(job trainingv1.Job) {
		if spec := &job.(*trainingv1.MXJob).Spec; spec.JobMode == "" {
			spec.JobMode = trainingv1.MXTrain
		}
	},
	validate:    validateMXJob,
	environment: mxEnvironment,
}

// tunerServerKey is the annotation of a pod template by which a tuner finds the tuning servers of a sort.
const tunerServerKey = "tuner-server-key"

func validateMXJob(job trainingv1.Job) field.ErrorList {
	var errs field.ErrorList
	modes := []trainingv1.MXJobMode{trainingv1.MXTrain, trainingv1.MXTune}
	if mode := job.(*trainingv1.MXJob).Spec.JobMode; mode != modes[0] && mode != modes[1] {
		errs = append(errs, field.NotSupported(field.NewPath("spec", "jobMode"), mode, modes))
	}
	if s := job.Replicas()[trainingv1.MXScheduler]; s != nil && *s.Replicas > 1 {
		path := field.NewPath("spec", "mxReplicaSpecs").Key("Scheduler").Child("replicas")
		errs = append(errs, field.Invalid(path, *s.Replicas, "must not be more than 1"))
	}
	return errs
}

// mxAddress is where a pod listens, in MX_CONFIG.
type mxAddress struct {
	URL  string `json:"url"`
	Port int32  `json:"port"`
}

// mxTask is which of the pods this one is, in MX_CONFIG.
type mxTask struct {
	Type  string `json:"type"`
	Index int32  `json:"index"`
}

// mxEnvironment sets MX_CONFIG, which lists all pods, and the variables of MXNet's parameter server and of BytePS. Without
// a scheduler, its address is empty and its port 0.
func mxEnvironment(k *kind, _ Config, job trainingv1.Job) injector {
	cluster, keys := mxCluster(k, job), map[string]string{}
	for t, spec := range job.Replicas() {
		keys[strings.ToLower(string(t))] = spec.Template.Annotations[tunerServerKey]
	}
	var root mxAddress
	if schedulers := cluster["scheduler"]; len(schedulers) > 0 {
		root = schedulers[0]
	}
	all := `{"cluster":` + asJSON(cluster) + `,"labels":` + asJSON(keys)
	return inAllContainers(func(m member) []corev1.EnvVar {
		role := strings.ToLower(string(m.rtype))
		env := []corev1.EnvVar{
			{Name: "MX_CONFIG", Value: all + `,"task":` + asJSON(mxTask{Type: role, Index: m.index}) + `}`},
			{Name: "DMLC_PS_ROOT_PORT", Value: fmt.Sprint(root.Port)},
			{Name: "DMLC_PS_ROOT_URI", Value: root.URL},
			{Name: "DMLC_NUM_SERVER", Value: fmt.Sprint(len(cluster["server"]))},
			{Name: "DMLC_NUM_WORKER", Value: fmt.Sprint(len(cluster["worker"]))},
			{Name: "DMLC_ROLE", Value: role},
			{Name: "DMLC_USE_KUBERNETES", Value: "1"},
		}
		if m.rtype == trainingv1.MXWorker {
			env = append(env, corev1.EnvVar{Name: "DMLC_WORKER_ID", Value: fmt.Sprint(m.index)})
		}
		return env
	})
}

// mxCluster is where every pod listens, by replica type in lower case.
func mxCluster(k *kind, job trainingv1.Job) map[string][]mxAddress {
	cluster := map[string][]mxAddress{}
	for t, spec := range job.Replicas() {
		addresses := make([]mxAddress, 0, *spec.Replicas)
		for i := range *spec.Replicas {
			addresses = append(addresses, mxAddress{URL: memberName(job.GetName(), t, i), Port: k.portOf(job, t)})
		}
		cluster[strings.ToLower(string(t))] = addresses
	}
	return cluster
}
