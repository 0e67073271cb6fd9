package input

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	kyaml "sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// objects reads objects of one kind of Muster's own API from one or more YAML documents, each an object or a List of them, and
// hands them over one by one. An error names the document.
func objects[T any, P interface {
	*T
	runtime.Object
}](data []byte, kind string, each func(T) error) error {
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for number := 1; ; number++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var items []T
		if err == nil {
			items, err = itemsOf[T](document)
		}
		for i := range items {
			if err == nil {
				err = checkKind(P(&items[i]), kind)
			}
			if err == nil {
				err = each(items[i])
			}
		}
		if err != nil {
			return fmt.Errorf("document %d: %w", number, err)
		}
	}
}

func checkKind(object runtime.Object, kind string) error {
	if is := object.GetObjectKind().GroupVersionKind(); is != v1alpha1.GroupVersion.WithKind(kind) {
		return fmt.Errorf("there is a %s of %s, not a %s of %s", is.Kind, is.GroupVersion(), kind, v1alpha1.GroupVersion)
	}
	return nil
}

// itemsOf reads one document.
func itemsOf[T any](document []byte) ([]T, error) {
	var kind struct {
		metav1.TypeMeta `json:",inline"`
	}
	if err := kyaml.Unmarshal(document, &kind); err != nil {
		return nil, err
	}
	var list struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ListMeta `json:"metadata"`
		Items           []T             `json:"items"`
	}
	switch kind.Kind {
	case "":
		return nil, unmarshal(document, &struct{}{}) // nothing but comments, or something else altogether
	case "List", "QueueList", "TopologyList":
		err := unmarshal(document, &list)
		return list.Items, err
	}
	items := make([]T, 1)
	return items, unmarshal(document, &items[0])
}
