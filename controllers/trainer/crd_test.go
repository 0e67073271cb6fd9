package trainer

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
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

// store does what the API server does with a manifest: it sets defaults, drops what it does not know and checks the rest,
// on create if old is empty, else on update. It returns the paths that were dropped.
func (c *crd) store(t *testing.T, text, old string) (obj map[string]any, dropped []string, errs field.ErrorList) {
	t.Helper()
	obj, oldObj := c.read(t, text), c.read(t, old)
	dropped = pruning.PruneWithOptions(obj, c.spec, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	var oldValue any
	if oldObj != nil {
		oldValue = oldObj
		errs = validation.ValidateCustomResourceUpdate(nil, obj, oldObj, c.schema)
	} else {
		errs = validation.ValidateCustomResource(nil, obj, c.schema)
	}
	more, _ := c.rules.Validate(context.Background(), nil, c.spec, obj, oldValue, celconfig.RuntimeCELCostBudget)
	return obj, dropped, append(errs, more...)
}

func (c *crd) read(t *testing.T, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var obj map[string]any
	if err := json.Unmarshal(data, &obj); err != nil { // whole numbers become integers
		t.Fatal(err)
	}
	defaulting.Default(obj, c.spec)
	return obj
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
	v1.Status.StoredVersions = []string{"v1alpha1"}
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

func TestCRDsAreAccepted(t *testing.T) {
	for _, file := range []string{
		"trainer.kubeflow.org_trainjobs.yaml", "trainer.kubeflow.org_trainingruntimes.yaml", "trainer.kubeflow.org_clustertrainingruntimes.yaml",
	} {
		loadCRD(t, file)
	}
}
