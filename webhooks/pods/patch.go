package pods

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// patch returns the JSON patch that makes one pod of the other. It names only what differs: a field that this program does not
// know, of a newer Kubernetes, is in neither and stays as it is.
func patch(before, after *corev1.Pod) ([]byte, error) {
	old, err := runtime.DefaultUnstructuredConverter.ToUnstructured(before)
	if err != nil {
		return nil, fmt.Errorf("read the pod as it was: %w", err)
	}
	now, err := runtime.DefaultUnstructuredConverter.ToUnstructured(after)
	if err != nil {
		return nil, fmt.Errorf("read the pod as it is to be: %w", err)
	}
	operations := compareMaps(nil, "", old, now)
	slices.SortStableFunc(operations, func(a, b operation) int { return cmp.Compare(a.Path, b.Path) })
	text, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("encode the patch: %w", err)
	}
	return text, nil
}

func compare(operations []operation, path string, old, now any) []operation {
	switch now := now.(type) {
	case map[string]any:
		// The API server may have left out a map that is empty, so nothing is put into one.
		if old, ok := old.(map[string]any); ok && len(old) > 0 {
			return compareMaps(operations, path, old, now)
		}
	case []any:
		if old, ok := old.([]any); ok && len(old) > 0 && len(old) <= len(now) {
			return compareLists(operations, path, old, now)
		}
	}
	if reflect.DeepEqual(old, now) {
		return operations
	}
	return append(operations, operation{"add", path, now}) // which replaces what is there
}

func compareMaps(operations []operation, path string, old, now map[string]any) []operation {
	for key, value := range now {
		below := path + "/" + escaper.Replace(key)
		if former, there := old[key]; there {
			operations = compare(operations, below, former, value)
		} else {
			operations = append(operations, operation{"add", below, value})
		}
	}
	for key := range old {
		if _, there := now[key]; !there {
			operations = append(operations, operation{Op: "remove", Path: path + "/" + escaper.Replace(key)})
		}
	}
	return operations
}

// compareLists takes it that what a list has more was added at its end.
func compareLists(operations []operation, path string, old, now []any) []operation {
	for i, value := range now {
		if i < len(old) {
			operations = compare(operations, path+"/"+strconv.Itoa(i), old[i], value)
		} else {
			operations = append(operations, operation{"add", path + "/-", value})
		}
	}
	return operations
}

// escaper writes a key as a step of a JSON pointer (RFC 6901).
var escaper = strings.NewReplacer("~", "~0", "/", "~1")
