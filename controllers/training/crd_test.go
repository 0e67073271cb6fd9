package training

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// crd is one of our CRDs as the API server uses it.
type crd struct {
	schema validation.SchemaValidator
	rules  *cel.Validator
	spec   *structuralschema.Structural
}

// validate returns what the API server says about a job: on create if old is nil, else on update.
func (c *crd) validate(obj, old map[string]any) field.ErrorList {
	errs := validation.ValidateCustomResource(nil, obj, c.schema)
	var oldValue any
	if old != nil {
		oldValue = old
	}
	more, _ := c.rules.Validate(context.Background(), nil, c.spec, obj, oldValue, celconfig.RuntimeCELCostBudget)
	return append(errs, more...)
}

// loadCRD reads a generated CRD and fails the test unless an API server would accept it, the cost of its rules included.
func loadCRD(t *testing.T, file string) *crd {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "manifests", "crd", file))
	if err != nil {
		t.Fatal(err)
	}
	var v1 apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &v1); err != nil {
		t.Fatal(err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&v1)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&v1.Spec)
	v1.Status.StoredVersions = []string{"v1"}
	var internal apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, &internal, nil); err != nil {
		t.Fatal(err)
	}
	if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), &internal); len(errs) > 0 {
		t.Fatalf("%s is not a valid CRD: %v", file, errs.ToAggregate())
	}
	props := internal.Spec.Validation
	if props == nil {
		props = internal.Spec.Versions[0].Schema
	}
	spec, err := structuralschema.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	schema, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	return &crd{schema: schema, rules: cel.NewValidator(spec, true, celconfig.PerCallLimit), spec: spec}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var obj map[string]any
	if err := json.Unmarshal(data, &obj); err != nil { // integers stay integers, unlike in encoding/json
		t.Fatal(err)
	}
	return obj
}

func TestCRDs(t *testing.T) {
	tf, pytorch := loadCRD(t, "kubeflow.org_tfjobs.yaml"), loadCRD(t, "kubeflow.org_pytorchjobs.yaml")
	jax, xgboost := loadCRD(t, "kubeflow.org_jaxjobs.yaml"), loadCRD(t, "kubeflow.org_xgboostjobs.yaml")
	paddle, mx := loadCRD(t, "kubeflow.org_paddlejobs.yaml"), loadCRD(t, "kubeflow.org_mxjobs.yaml")
	job := func(name, spec string) string {
		return "apiVersion: kubeflow.org/v1\nmetadata: {name: " + name + "}\nspec: " + spec
	}
	tests := []struct {
		name string
		crd  *crd
		job  string
		old  string
		want string // part of the message, empty if accepted
	}{
		{"plain", tf, job("a", `{tfReplicaSpecs: {Worker: {replicas: 3}, PS: {}}}`), "", ""},
		{"any case", tf, job("a", `{tfReplicaSpecs: {worker: {replicas: 3}, ps: {}}}`), "", ""},
		{"unknown type", tf, job("a", `{tfReplicaSpecs: {Wroker: {}}}`), "", "the replica types of a TFJob are Chief, Master, PS, Worker and Evaluator"},
		{"twice", tf, job("a", `{tfReplicaSpecs: {Worker: {}, worker: {}}}`), "", "given twice"},
		{"chief and master", tf, job("a", `{tfReplicaSpecs: {Chief: {}, Master: {}}}`), "", "Chief and Master mean the same"},
		{"no type", tf, job("a", `{tfReplicaSpecs: {}}`), "", "should have at least 1 properties"},
		{"nothing", tf, job("a", `{}`), "", "Required"},
		{"no replica", tf, job("a", `{tfReplicaSpecs: {Worker: {replicas: 0}}}`), "", "at least one replica is needed"},
		{"negative", tf, job("a", `{tfReplicaSpecs: {Worker: {replicas: -1}}}`), "", "greater than or equal to 0"},
		{"huge", tf, job("a", `{tfReplicaSpecs: {Worker: {replicas: 3000000000}}}`), "", "less than or equal to 100000"},
		{"backoff limit beyond int32", tf, job("a", `{runPolicy: {backoffLimit: 3000000000}, tfReplicaSpecs: {Worker: {}}}`), "", "backoffLimit"},
		{"restart policy", tf, job("a", `{tfReplicaSpecs: {Worker: {restartPolicy: Sometimes}}}`), "", "Unsupported value"},
		{"name", tf, job("1a", `{tfReplicaSpecs: {Worker: {}}}`), "", "begin with a letter"},
		{"dotted name", tf, job("a.b", `{tfReplicaSpecs: {Worker: {}}}`), "", "lower case letters"},
		{"longest name", tf, job(strings.Repeat("a", 54), `{tfReplicaSpecs: {Worker: {replicas: 10}}}`), "", ""},
		{"name too long", tf, job(strings.Repeat("a", 54), `{tfReplicaSpecs: {Worker: {replicas: 11}}}`), "", "too long"},
		{"min available", tf, job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 3}}, tfReplicaSpecs: {Worker: {replicas: 2}, PS: {}}}`), "", ""},
		{"min available too large", tf, job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 4}}, tfReplicaSpecs: {Worker: {replicas: 2}, PS: {}}}`), "", "minAvailable cannot be more"},
		{"min available zero", tf, job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 0}}, tfReplicaSpecs: {Worker: {}}}`), "", "greater than or equal to 1"},
		{"managed by", tf, job("a", `{runPolicy: {managedBy: me}, tfReplicaSpecs: {Worker: {}}}`), "", "Unsupported value"},
		{"managed by changed", tf, job("a", `{runPolicy: {managedBy: kueue.x-k8s.io/multikueue}, tfReplicaSpecs: {Worker: {}}}`), job("a", `{tfReplicaSpecs: {Worker: {}}}`), "managedBy cannot be changed"},
		{"queue changed", tf, job("a", `{runPolicy: {schedulingPolicy: {queue: b}}, tfReplicaSpecs: {Worker: {}}}`), job("a", `{runPolicy: {schedulingPolicy: {queue: a}}, tfReplicaSpecs: {Worker: {}}}`), "queue cannot be changed"},
		{"queue kept", tf, job("a", `{runPolicy: {schedulingPolicy: {queue: a}, suspend: true}, tfReplicaSpecs: {Worker: {}}}`), job("a", `{runPolicy: {schedulingPolicy: {queue: a}}, tfReplicaSpecs: {Worker: {}}}`), ""},
		{"queue not a label", tf, job("a", `{runPolicy: {schedulingPolicy: {queue: "a b"}}, tfReplicaSpecs: {Worker: {}}}`), "", "should match"},
		{"template is free", tf, job("a", `{tfReplicaSpecs: {Worker: {template: {spec: {containers: 7}}}}}`), "", ""},
		{"template is an object", tf, job("a", `{tfReplicaSpecs: {Worker: {template: 7}}}`), "", "must be of type object"},

		{"plain", pytorch, job("a", `{pytorchReplicaSpecs: {Worker: {replicas: 3}, Master: {}}}`), "", ""},
		{"unknown type", pytorch, job("a", `{pytorchReplicaSpecs: {Worker: {}, PS: {}}}`), "", "the replica types of a PyTorchJob are Master and Worker"},
		{"two masters", pytorch, job("a", `{pytorchReplicaSpecs: {Master: {replicas: 2}}}`), "", "Master must have exactly 1 replica"},
		{"no worker replica", pytorch, job("a", `{pytorchReplicaSpecs: {Master: {}, Worker: {replicas: 0}}}`), "", "Worker must have at least 1 replica"},
		{"elastic", pytorch, job("a", `{elasticPolicy: {minReplicas: 1, maxReplicas: 3}, pytorchReplicaSpecs: {worker: {}}}`), "", ""},
		{"elastic without worker", pytorch, job("a", `{elasticPolicy: {}, pytorchReplicaSpecs: {Master: {}}}`), "", "elasticPolicy needs a Worker"},
		{"elastic bounds", pytorch, job("a", `{elasticPolicy: {minReplicas: 4, maxReplicas: 3}, pytorchReplicaSpecs: {Worker: {}}}`), "", "minReplicas cannot be more than maxReplicas"},
		{"both nproc", pytorch, job("a", `{nprocPerNode: "2", elasticPolicy: {nProcPerNode: 2}, pytorchReplicaSpecs: {Worker: {}}}`), "", "not both"},
		{"nproc", pytorch, job("a", `{nprocPerNode: "many", pytorchReplicaSpecs: {Worker: {}}}`), "", "should match"},
		{"metrics need the exact key", pytorch, job("a", `{elasticPolicy: {metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]}, pytorchReplicaSpecs: {worker: {}}}`), "", "must be spelled Worker"},

		{"plain", jax, job("a", `{jaxReplicaSpecs: {worker: {replicas: 3}}}`), "", ""},
		{"nothing", jax, job("a", `{}`), "", "Required"},
		{"unknown type", jax, job("a", `{jaxReplicaSpecs: {Worker: {}, Master: {}}}`), "", "the only replica type of a JAXJob is Worker"},
		{"twice", jax, job("a", `{jaxReplicaSpecs: {Worker: {}, worker: {}}}`), "", "given twice"},
		{"no worker replica", jax, job("a", `{jaxReplicaSpecs: {Worker: {replicas: 0}}}`), "", "Worker must have at least 1 replica"},
		{"min available too large", jax, job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 4}}, jaxReplicaSpecs: {Worker: {replicas: 3}}}`), "", "minAvailable cannot be more"},
		{"queue changed", jax, job("a", `{runPolicy: {schedulingPolicy: {queue: b}}, jaxReplicaSpecs: {Worker: {}}}`), job("a", `{jaxReplicaSpecs: {Worker: {}}}`), "queue cannot be changed"},
		{"managed by changed", jax, job("a", `{runPolicy: {managedBy: kueue.x-k8s.io/multikueue}, jaxReplicaSpecs: {Worker: {}}}`), job("a", `{jaxReplicaSpecs: {Worker: {}}}`), "managedBy cannot be changed"},
		{"name", jax, job("1a", `{jaxReplicaSpecs: {Worker: {}}}`), "", "begin with a letter"},
		{"name too long", jax, job(strings.Repeat("a", 54), `{jaxReplicaSpecs: {Worker: {replicas: 11}}}`), "", "too long"},

		{"plain", xgboost, job("a", `{xgbReplicaSpecs: {Master: {}, worker: {replicas: 3}}}`), "", ""},
		{"no worker", xgboost, job("a", `{xgbReplicaSpecs: {master: {replicas: 1}}}`), "", ""},
		{"no master", xgboost, job("a", `{xgbReplicaSpecs: {Worker: {}}}`), "", "a Master with exactly 1 replica is needed"},
		{"two masters", xgboost, job("a", `{xgbReplicaSpecs: {Master: {replicas: 2}}}`), "", "a Master with exactly 1 replica is needed"},
		{"no master replica", xgboost, job("a", `{xgbReplicaSpecs: {Master: {replicas: 0}, Worker: {}}}`), "", "a Master with exactly 1 replica is needed"},
		{"unknown type", xgboost, job("a", `{xgbReplicaSpecs: {Master: {}, Server: {}}}`), "", "the replica types of an XGBoostJob are Master and Worker"},
		{"twice", xgboost, job("a", `{xgbReplicaSpecs: {Master: {}, Worker: {}, worker: {}}}`), "", "given twice"},
		{"min available too large", xgboost, job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 4}}, xgbReplicaSpecs: {Master: {}, Worker: {replicas: 2}}}`), "", "minAvailable cannot be more"},
		{"queue changed", xgboost, job("a", `{runPolicy: {schedulingPolicy: {queue: b}}, xgbReplicaSpecs: {Master: {}}}`), job("a", `{xgbReplicaSpecs: {Master: {}}}`), "queue cannot be changed"},
		{"managed by changed", xgboost, job("a", `{runPolicy: {managedBy: kueue.x-k8s.io/multikueue}, xgbReplicaSpecs: {Master: {}}}`), job("a", `{xgbReplicaSpecs: {Master: {}}}`), "managedBy cannot be changed"},
		{"name", xgboost, job("1a", `{xgbReplicaSpecs: {Master: {}}}`), "", "begin with a letter"},
		{"name too long", xgboost, job(strings.Repeat("a", 54), `{xgbReplicaSpecs: {Master: {}, Worker: {replicas: 11}}}`), "", "too long"},

		{"plain", paddle, job("a", `{elasticPolicy: {minReplicas: 1, maxReplicas: 3, maxRestarts: 2}, paddleReplicaSpecs: {master: {replicas: 2}, Worker: {replicas: 3}}}`), "", ""},
		{"unknown type", paddle, job("a", `{paddleReplicaSpecs: {Worker: {}, PS: {}}}`), "", "the replica types of a PaddleJob are Master and Worker"},
		{"twice", paddle, job("a", `{paddleReplicaSpecs: {Worker: {}, worker: {}}}`), "", "given twice"},
		{"no replica", paddle, job("a", `{paddleReplicaSpecs: {Worker: {replicas: 0}, Master: {replicas: 0}}}`), "", "at least one replica is needed"},
		{"elastic bounds", paddle, job("a", `{elasticPolicy: {minReplicas: 4, maxReplicas: 3}, paddleReplicaSpecs: {Worker: {}}}`), "", "minReplicas cannot be more than maxReplicas"},
		{"min available too large", paddle, job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 4}}, paddleReplicaSpecs: {Worker: {replicas: 2}, Master: {}}}`), "", "minAvailable cannot be more"},
		{"queue changed", paddle, job("a", `{runPolicy: {schedulingPolicy: {queue: b}}, paddleReplicaSpecs: {Worker: {}}}`), job("a", `{paddleReplicaSpecs: {Worker: {}}}`), "queue cannot be changed"},
		{"managed by changed", paddle, job("a", `{runPolicy: {managedBy: kueue.x-k8s.io/multikueue}, paddleReplicaSpecs: {Worker: {}}}`), job("a", `{paddleReplicaSpecs: {Worker: {}}}`), "managedBy cannot be changed"},
		{"name", paddle, job("1a", `{paddleReplicaSpecs: {Worker: {}}}`), "", "begin with a letter"},
		{"name too long", paddle, job(strings.Repeat("a", 54), `{paddleReplicaSpecs: {Worker: {replicas: 11}}}`), "", "too long"},

		{"plain", mx, job("a", `{jobMode: MXTrain, mxReplicaSpecs: {Scheduler: {}, Server: {replicas: 2}, Worker: {replicas: 3}}}`), "", ""},
		{"no scheduler", mx, job("a", `{mxReplicaSpecs: {worker: {}, Scheduler: {replicas: 0}}}`), "", ""},
		{"tuning", mx, job("a", `{jobMode: MXTune, mxReplicaSpecs: {TunerTracker: {}, tunerserver: {replicas: 2}, Tuner: {}}}`), "", ""},
		{"no mode", mx, job("a", `{jobMode: "", mxReplicaSpecs: {Worker: {}}}`), "", ""},
		{"unknown mode", mx, job("a", `{jobMode: MXServe, mxReplicaSpecs: {Worker: {}}}`), "", "Unsupported value"},
		{"unknown type", mx, job("a", `{mxReplicaSpecs: {Worker: {}, PS: {}}}`), "", "the replica types of an MXJob are Scheduler, Server, Worker, TunerTracker, TunerServer and Tuner"},
		{"two schedulers", mx, job("a", `{mxReplicaSpecs: {scheduler: {replicas: 2}}}`), "", "Scheduler must have at most 1 replica"},
		{"twice", mx, job("a", `{mxReplicaSpecs: {Worker: {}, worker: {}}}`), "", "given twice"},
		{"no replica", mx, job("a", `{mxReplicaSpecs: {Worker: {replicas: 0}}}`), "", "at least one replica is needed"},
		{"min available too large", mx, job("a", `{runPolicy: {schedulingPolicy: {minAvailable: 4}}, mxReplicaSpecs: {Worker: {replicas: 2}, Server: {}}}`), "", "minAvailable cannot be more"},
		{"queue changed", mx, job("a", `{runPolicy: {schedulingPolicy: {queue: b}}, mxReplicaSpecs: {Worker: {}}}`), job("a", `{mxReplicaSpecs: {Worker: {}}}`), "queue cannot be changed"},
		{"managed by changed", mx, job("a", `{runPolicy: {managedBy: kueue.x-k8s.io/multikueue}, mxReplicaSpecs: {Worker: {}}}`), job("a", `{mxReplicaSpecs: {Worker: {}}}`), "managedBy cannot be changed"},
		{"name", mx, job("1a", `{mxReplicaSpecs: {Worker: {}}}`), "", "begin with a letter"},
		{"name too long", mx, job(strings.Repeat("a", 48), `{mxReplicaSpecs: {TunerTracker: {replicas: 11}}}`), "", "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			errs := tt.crd.validate(parse(t, tt.job), parse(t, tt.old))
			switch {
			case tt.want == "" && len(errs) > 0:
				t.Errorf("refused: %v", errs.ToAggregate())
			case tt.want != "" && (len(errs) == 0 || !strings.Contains(errs.ToAggregate().Error(), tt.want)):
				t.Errorf("got %v, want %q", errs.ToAggregate(), tt.want)
			}
		})
	}
}
