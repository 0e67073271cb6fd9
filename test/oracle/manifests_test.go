package oracle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// manifest is one document of a file.
type manifest struct {
	file string
	kind kind
	json []byte
}

// TestManifests reads every manifest of a training job that is here with the types of both.
func TestManifests(t *testing.T) {
	read := map[string]bool{}
	for _, m := range allManifests(t) {
		read[m.kind.String()] = true
		t.Run(filepath.Base(m.file), func(t *testing.T) {
			upstream, ours := m.kind.upstream(), m.kind.ours()
			if err := decode(m.json, upstream); err != nil {
				t.Fatalf("upstream cannot read %s: %v", m.file, err)
			}
			if err := decode(m.json, ours); err != nil {
				t.Fatalf("cannot read %s: %v", m.file, err)
			}
			if diff := cmp.Diff(encode(t, upstream), encode(t, ours)); diff != "" {
				t.Errorf("%s (-upstream +ours):\n%s", m.file, diff)
			}
		})
	}
	for _, k := range kinds {
		if !read[k.String()] {
			t.Errorf("no manifest of %s", k)
		}
	}
}

// TestManifestsUseAllFields keeps the manifests in testdata complete: each field that upstream has is given in one.
func TestManifestsUseAllFields(t *testing.T) {
	given := map[string]map[string]bool{}
	for _, m := range allManifests(t) {
		if filepath.Dir(m.file) != "testdata" {
			continue
		}
		var value any
		if err := json.Unmarshal(m.json, &value); err != nil {
			t.Fatal(err)
		}
		if given[m.kind.String()] == nil {
			given[m.kind.String()] = map[string]bool{}
		}
		pathsIn(value, "", given[m.kind.String()])
	}
	for _, k := range kinds {
		for _, path := range fieldsOf(reflect.TypeOf(k.upstream()), "") {
			if !given[k.String()][path] {
				t.Errorf("no manifest of %s gives %s", k, path)
			}
		}
	}
}

// allManifests are those of training jobs among the examples, the controllers' golden inputs and testdata.
func allManifests(t *testing.T) []manifest {
	t.Helper()
	var all []manifest
	for _, pattern := range []string{"../../examples/*.yaml", "../../controllers/training/testdata/*.yaml", "testdata/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, error %v", pattern, files, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, ".out.yaml") {
				all = append(all, manifestsIn(t, file)...)
			}
		}
	}
	return all
}

func manifestsIn(t *testing.T, file string) []manifest {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []manifest
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		data, err := yaml.YAMLToJSONStrict([]byte(document))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var head struct{ APIVersion, Kind string }
		if err := json.Unmarshal(data, &head); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if k, ok := find(head.APIVersion, head.Kind); ok && (!k.byHand || filepath.Dir(file) == "testdata") {
			all = append(all, manifest{file: file, kind: k, json: data})
		}
	}
	return all
}

// pathsIn adds the paths of all fields in a value, in which lists and maps by replica type count for nothing.
func pathsIn(value any, path string, into map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			into[path+"."+name] = true
			if strings.HasSuffix(path, "ReplicaSpecs") || strings.HasSuffix(path, "replicaStatuses") {
				pathsIn(field, path, into)
			} else {
				pathsIn(field, path+"."+name, into)
			}
		}
	case []any:
		for _, element := range value {
			pathsIn(element, path, into)
		}
	}
}

// fieldsOf are the paths, as pathsIn writes them, of the fields that are upstream's own: not of what Kubernetes has types
// for.
func fieldsOf(t reflect.Type, path string) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return fieldsOf(t.Elem(), path)
	case reflect.Struct:
	default:
		return nil
	}
	if !strings.Contains(t.PkgPath(), "kubeflow") {
		return nil
	}
	var all []string
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous {
			all = append(all, fieldsOf(field.Type, path)...) // inline
		}
		if name != "" && name != "-" {
			all = append(append(all, path+"."+name), fieldsOf(field.Type, path+"."+name)...)
		}
	}
	slices.Sort(all)
	return all
}
