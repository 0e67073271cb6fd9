package training

import (
	"strings"
	"testing"
)

func TestValidation(t *testing.T) {
	const container = "template: {spec: {containers: [{name: tensorflow, image: i}, {name: pytorch, image: i}]}}"
	of := func(name string) string { return "template: {spec: {containers: [{name: " + name + ", image: i}]}}" }
	kind := func(kind, spec string) string {
		return "{apiVersion: kubeflow.org/v1, kind: " + kind + ", metadata: {name: j}, spec: {" + spec + "}}"
	}
	long := strings.Repeat("a", 53)
	tf := func(name, spec string) string {
		return "{apiVersion: kubeflow.org/v1, kind: TFJob, metadata: {name: " + name + "}, spec: {" + spec + "}}"
	}
	pytorch := func(spec string) string {
		return "{apiVersion: kubeflow.org/v1, kind: PyTorchJob, metadata: {name: j}, spec: {" + spec + "}}"
	}
	tests := []struct {
		name string
		job  string
		want string // the whole message, empty if valid
	}{
		{"plain", tf("j", "tfReplicaSpecs: {Worker: {"+container+"}}"), ""},
		{"no replica type", tf("j", "tfReplicaSpecs: {}"), `spec.tfReplicaSpecs: Required value: at least one replica type is needed: Chief, Master, PS, Worker, Evaluator`},
		{"no replica", tf("j", "tfReplicaSpecs: {Worker: {replicas: 0, "+container+"}}"), `spec.tfReplicaSpecs: Invalid value: 0: at least one replica is needed`},
		{"unknown type", tf("j", "tfReplicaSpecs: {Wroker: {"+container+"}}"), `spec.tfReplicaSpecs[Wroker]: Unsupported value: "Wroker": supported values: "Chief", "Master", "PS", "Worker", "Evaluator"`},
		{"type given twice", tf("j", "tfReplicaSpecs: {worker: {"+container+"}, Worker: {"+container+"}}"), `spec.tfReplicaSpecs[worker]: Duplicate value: "worker"`},
		{"negative", tf("j", "tfReplicaSpecs: {Worker: {replicas: -1, "+container+"}}"), `spec.tfReplicaSpecs[Worker].replicas: Invalid value: -1: must not be negative`},
		{"no container", tf("j", "tfReplicaSpecs: {Worker: {}}"), `spec.tfReplicaSpecs[Worker].template.spec.containers: Required value: a container named "tensorflow" is needed`},
		{"no main container", tf("j", "tfReplicaSpecs: {Worker: {template: {spec: {containers: [{name: a, image: i}, {name: b, image: i}]}}}}"), `spec.tfReplicaSpecs[Worker].template.spec.containers: Invalid value: "a, b": in jobs of kind TFJob one container must be named "tensorflow"`},
		{"no image", tf("j", "tfReplicaSpecs: {Worker: {template: {spec: {containers: [{name: tensorflow}]}}}}"), `spec.tfReplicaSpecs[Worker].template.spec.containers[0].image: Required value: container tensorflow has no image`},
		{"unreadable template", tf("j", "tfReplicaSpecs: {Worker: {template: {spec: {containers: 7}}}}"), `spec.tfReplicaSpecs[Worker].template: Invalid value: is not a pod template: json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type []v1.Container`},
		{"restart policy", tf("j", "tfReplicaSpecs: {Worker: {restartPolicy: Maybe, "+container+"}}"), `spec.tfReplicaSpecs[Worker].restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never", "ExitCode"`},
		{"longest name", tf(long, "tfReplicaSpecs: {Worker: {replicas: 10, "+container+"}}"), ""},
		{"name too long", tf(long, "tfReplicaSpecs: {Worker: {replicas: 101, "+container+"}}"), `metadata.name: Invalid value: "` + long + `": is too long by 1: the pod ` + long + `-worker-100 may have 63 characters`},
		{"more than there are", tf("j", "runPolicy: {schedulingPolicy: {minAvailable: 3}}, tfReplicaSpecs: {Worker: {replicas: 2, "+container+"}}"), `spec.runPolicy.schedulingPolicy.minAvailable: Invalid value: 3: the job has only 2 replicas`},
		{"chief and master", tf("j", "tfReplicaSpecs: {Chief: {"+container+"}, Master: {"+container+"}}"), `spec.tfReplicaSpecs[Master]: Forbidden: Chief and Master mean the same: give one of them`},
		{"two masters", pytorch("pytorchReplicaSpecs: {Master: {replicas: 2, " + container + "}}"), `spec.pytorchReplicaSpecs[Master].replicas: Invalid value: 2: must be 1`},
		{"no worker replica", pytorch("pytorchReplicaSpecs: {Master: {" + container + "}, Worker: {replicas: 0, " + container + "}}"), `spec.pytorchReplicaSpecs[Worker].replicas: Invalid value: 0: must be 1 or more`},
		{"elastic without worker", pytorch("elasticPolicy: {}, pytorchReplicaSpecs: {Master: {" + container + "}}"), `spec.elasticPolicy: Forbidden: needs a Worker in spec.pytorchReplicaSpecs`},
		{"elastic bounds", pytorch("elasticPolicy: {minReplicas: 3, maxReplicas: 2}, pytorchReplicaSpecs: {Worker: {" + container + "}}"), `spec.elasticPolicy.minReplicas: Invalid value: 3: must not be more than maxReplicas`},
		{"both nproc", pytorch("nprocPerNode: auto, elasticPolicy: {nProcPerNode: 2}, pytorchReplicaSpecs: {Worker: {" + container + "}}"), `spec.elasticPolicy.nProcPerNode: Forbidden: give spec.nprocPerNode or this, not both`},

		{"jax", kind("JAXJob", "jaxReplicaSpecs: {worker: {replicas: 2, "+of("jax")+"}}"), ""},
		{"jax master", kind("JAXJob", "jaxReplicaSpecs: {Master: {"+of("jax")+"}}"), `spec.jaxReplicaSpecs[Master]: Unsupported value: "Master": supported values: "Worker"`},
		{"jax without replica", kind("JAXJob", "jaxReplicaSpecs: {Worker: {replicas: 0, "+of("jax")+"}}"), `spec.jaxReplicaSpecs: Invalid value: 0: at least one replica is needed`},
		{"jax container", kind("JAXJob", "jaxReplicaSpecs: {Worker: {"+of("main")+"}}"), `spec.jaxReplicaSpecs[Worker].template.spec.containers: Invalid value: "main": in jobs of kind JAXJob one container must be named "jax"`},

		{"xgboost", kind("XGBoostJob", "xgbReplicaSpecs: {master: {"+of("xgboost")+"}, Worker: {replicas: 0, "+of("xgboost")+"}}"), ""},
		{"xgboost without master", kind("XGBoostJob", "xgbReplicaSpecs: {Worker: {"+of("xgboost")+"}}"), `spec.xgbReplicaSpecs[Master]: Required value: the workers have nothing to meet at without a master`},
		{"xgboost without master replica", kind("XGBoostJob", "xgbReplicaSpecs: {Master: {replicas: 0, "+of("xgboost")+"}, Worker: {"+of("xgboost")+"}}"), `spec.xgbReplicaSpecs[Master].replicas: Invalid value: 0: must be 1`},
		{"xgboost with two masters", kind("XGBoostJob", "xgbReplicaSpecs: {Master: {replicas: 2, "+of("xgboost")+"}}"), `spec.xgbReplicaSpecs[Master].replicas: Invalid value: 2: must be 1`},
		{"xgboost container", kind("XGBoostJob", "xgbReplicaSpecs: {Master: {"+of("main")+"}}"), `spec.xgbReplicaSpecs[Master].template.spec.containers: Invalid value: "main": in jobs of kind XGBoostJob one container must be named "xgboost"`},

		{"paddle", kind("PaddleJob", "paddleReplicaSpecs: {Master: {replicas: 2, "+of("paddle")+"}, Worker: {"+of("paddle")+"}}"), ""},
		{"paddle type", kind("PaddleJob", "paddleReplicaSpecs: {PS: {"+of("paddle")+"}}"), `spec.paddleReplicaSpecs[PS]: Unsupported value: "PS": supported values: "Master", "Worker"`},
		{"paddle container", kind("PaddleJob", "paddleReplicaSpecs: {Worker: {"+of("main")+"}}"), `spec.paddleReplicaSpecs[Worker].template.spec.containers: Invalid value: "main": in jobs of kind PaddleJob one container must be named "paddle"`},

		{"mx", kind("MXJob", "mxReplicaSpecs: {Scheduler: {"+of("mxnet")+"}, server: {"+of("mxnet")+"}, Worker: {"+of("mxnet")+"}}"), ""},
		{"mx for tuning", kind("MXJob", "jobMode: MXTune, mxReplicaSpecs: {tunertracker: {"+of("mxnet")+"}, TunerServer: {"+of("mxnet")+"}, Tuner: {"+of("mxnet")+"}}"), ""},
		{"mx with two schedulers", kind("MXJob", "mxReplicaSpecs: {Scheduler: {replicas: 2, "+of("mxnet")+"}}"), `spec.mxReplicaSpecs[Scheduler].replicas: Invalid value: 2: must not be more than 1`},
		{"mx mode", kind("MXJob", "jobMode: MXServe, mxReplicaSpecs: {Worker: {"+of("mxnet")+"}}"), `spec.jobMode: Unsupported value: "MXServe": supported values: "MXTrain", "MXTune"`},
		{"mx container", kind("MXJob", "mxReplicaSpecs: {Tuner: {"+of("main")+"}}"), `spec.mxReplicaSpecs[Tuner].template.spec.containers: Invalid value: "main": in jobs of kind MXJob one container must be named "mxnet"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, job := readyJob(t, tt.job)
			got := ""
			if errs := k.validateJob(job); len(errs) > 0 {
				got = errs.ToAggregate().Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestNameThatIsNoLabel(t *testing.T) {
	k, job := simpleTFJob(t, "replicas: 1", "")
	job.SetName("1.0")
	errs := k.validateJob(job)
	if len(errs) != 1 || errs[0].Field != "metadata.name" {
		t.Errorf("got %v", errs)
	}
}
