// Package manifest reads what a user would apply and makes of it the gangs that would come of it: PodGroups with pods, as
// the API server would store them, without creating anything.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// object is one object of a manifest, not yet of a Go type.
type object struct {
	metav1.PartialObjectMetadata
	raw []byte // JSON
}

// title is what to call the object.
func (o object) title() string {
	return fmt.Sprintf("%s %s/%s", o.Kind, o.Namespace, o.Name)
}

// decode reads the object into a Go type, and gives it its namespace.
func (o object) decode(into metav1.Object) error {
	if err := json.Unmarshal(o.raw, into); err != nil {
		return fmt.Errorf("reading %s: %w", o.title(), err)
	}
	into.SetNamespace(o.Namespace)
	return nil
}

// read splits a manifest, YAML or JSON, into objects. Lists are taken apart, and objects without a namespace get the one
// given.
func read(text []byte, namespace string) ([]object, error) {
	var objects []object
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for number := 1; ; number++ {
		var document runtime.RawExtension
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading document %d: %w", number, err)
		}
		some, err := readOne(document.Raw, namespace)
		if err != nil {
			return nil, fmt.Errorf("reading document %d: %w", number, err)
		}
		objects = append(objects, some...)
	}
}

// readOne reads one document: nothing, an object, or a list of objects.
func readOne(raw []byte, namespace string) ([]object, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	o := object{raw: raw}
	if err := json.Unmarshal(raw, &o.PartialObjectMetadata); err != nil {
		return nil, err
	}
	if o.Kind == "" || o.APIVersion == "" {
		return nil, errors.New("it has no apiVersion and kind")
	}
	if o.APIVersion == "v1" && o.Kind == "List" {
		return readList(raw, namespace)
	}
	if o.Name == "" && o.GenerateName == "" {
		return nil, fmt.Errorf("%s has no name", o.Kind)
	}
	if o.Name == "" {
		o.Name = o.GenerateName + "0"
	}
	if o.Namespace == "" {
		o.Namespace = namespace
	}
	return []object{o}, nil
}

func readList(raw []byte, namespace string) ([]object, error) {
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	var objects []object
	for i, item := range list.Items {
		some, err := readOne(item, namespace)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
		objects = append(objects, some...)
	}
	return objects, nil
}
