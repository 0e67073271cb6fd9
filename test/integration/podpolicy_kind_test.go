package integration

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// tryCreate asks the API server whether it would create an object, and takes no unknown field.
func tryCreate(t *testing.T, manifest string) error {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
		t.Fatalf("%v in\n%s", err, manifest)
	}
	return shared.client.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

func TestAPIServerTakesTheShippedPodPolicies(t *testing.T) {
	files, err := filepath.Glob("../../manifests/pod-policies/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data))); ; taken++ {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			// It looks for others of that name last, and the local cluster starts with these.
			if err := tryCreate(t, string(document)); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if taken == 0 {
		t.Error("no object found")
	}
}

// What a PodPolicy may say is checked when it is created; docs/pod-policies.md shows one that is taken.
func TestAPIServerChecksPodPolicies(t *testing.T) {
	const forAll = "match: {expression: 'true'}, "
	for name, c := range map[string]struct{ spec, says string }{
		"everything": {"order: 600, match: {podSelector: {matchLabels: {a: b}}, namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [vision]}]}, expression: 'size(pod.spec.containers) == 1'}, " +
			"set: {queue: {value: q}, priorityClassName: {value: low, when: Always}, tolerations: [{key: g, operator: Exists, effect: NoSchedule}], labels: [{key: example.com/a}], " +
			"env: [{name: COUNT, value: '4'}, {name: P, fieldPath: \"metadata.labels['a/b']\"}], sharedMemory: {sizeLimit: 16Gi}}", ""},
		"what others tell":          {forAll + "set: {queue: {inherit: true}, priorityClassName: {value: low, inherit: true}, gang: Workload, ranks: Workload, firm: {perUser: 2}}", ""},
		"a class of no name":        {forAll + "set: {priorityClassName: {inherit: false}}", "a value, or inherit: true, or both"},
		"a gang of something else":  {forAll + "set: {gang: Namespace}", "Unsupported value"},
		"fewer than no firm pods":   {forAll + "set: {firm: {perUser: -1}}", "spec.set.firm.perUser"},
		"the label of gangs":        {forAll + "set: {labels: [{key: scheduling.muster.dev/gang-of}]}", "is set with gang"},
		"the name of a workload":    {forAll + "set: {annotations: [{key: scheduling.muster.dev/workload}]}", "is set with gang"},
		"nothing to match by":       {"match: {}, set: {}", "at least one of podSelector, namespaceSelector and expression"},
		"an empty expression":       {"match: {expression: ''}, set: {}", "at least one of"},
		"an operator without value": {"match: {podSelector: {matchExpressions: [{key: a, operator: In}]}}, set: {}", "an operator is In or NotIn with values"},
		"no settings":               {"match: {expression: 'true'}", "spec.set: Required"},
		"another word for when":     {forAll + "set: {queue: {value: q, when: Never}}", "Unsupported value"},
		"a name in upper case":      {forAll + "set: {schedulerName: {value: Muster}}", "spec.set.schedulerName.value"},
		"the same label twice":      {forAll + "set: {labels: [{key: a}, {key: a}]}", "Duplicate value"},
		"the label of opting out":   {forAll + "set: {labels: [{key: scheduling.muster.dev/skip-pod-policies, value: 'true'}]}", "the users' own"},
		"the annotation that tells": {forAll + "set: {annotations: [{key: scheduling.muster.dev/pod-policies}]}", "tells what policies did"},
		"a value and a field":       {forAll + "set: {env: [{name: A, value: x, fieldPath: metadata.name}]}", "exclude each other"},
		"a field of no pod":         {forAll + "set: {env: [{name: A, fieldPath: spec.containers}]}", "spec.set.env[0].fieldPath"},
		"a field of no policy":      {forAll + "set: {nodeName: x}", "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tryCreate(t, "{apiVersion: scheduling.muster.dev/v1alpha1, kind: PodPolicy, metadata: {name: p}, spec: {"+c.spec+"}}")
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, expected %q", err, c.says)
			}
		})
	}
}
