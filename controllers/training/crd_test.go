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
