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
	operations := compareFields(nil, "", reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem())
	slices.SortStableFunc(operations, func(a, b operation) int { return cmp.Compare(a.Path, b.Path) })
	text, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("encode the patch: %w", err)
	}
	return text, nil
}

// compare returns the operations with those that make one value of the other; both are of one type.
func compare(operations []operation, path string, old, now reflect.Value) []operation {
	switch kind := now.Kind(); {
	case writesItself(now.Type()):
	case kind == reflect.Struct && !old.IsZero(): // the API server may have left out one that is empty, so nothing is put into that
		return compareFields(operations, path, old, now)
	case kind == reflect.Pointer && !old.IsNil() && !now.IsNil():
		return compare(operations, path, old.Elem(), now.Elem())
	case kind == reflect.Map && old.Len() > 0:
		return compareMaps(operations, path, old, now)
	case kind == reflect.Slice && old.Len() > 0 && old.Len() <= now.Len():
		return compareLists(operations, path, old, now)
	}
	if reflect.DeepEqual(old.Interface(), now.Interface()) {
		return operations
	}
	return append(operations, operation{"add", path, now.Interface()}) // which replaces what is there
}

func compareFields(operations []operation, path string, old, now reflect.Value) []operation {
	for i := range now.NumField() {
		name, options, _ := strings.Cut(now.Type().Field(i).Tag.Get("json"), ",")
		was, is := old.Field(i), now.Field(i)
		if name == "" { // its fields are those of what it is in
			operations = compareFields(operations, path, was, is)
			continue
		}
		omitted := func(v reflect.Value) bool { return strings.Contains(options, "omitempty") && isEmpty(v) }
		below := path + "/" + name
		switch {
		case omitted(was) && omitted(is):
		case omitted(is):
			operations = append(operations, operation{Op: "remove", Path: below})
		case omitted(was):
			operations = append(operations, operation{"add", below, is.Interface()})
		default:
			operations = compare(operations, below, was, is)
		}
	}
	return operations
}

// compareMaps compares maps of strings to whatever.
func compareMaps(operations []operation, path string, old, now reflect.Value) []operation {
	for entry := now.MapRange(); entry.Next(); {
		below := path + "/" + escaper.Replace(entry.Key().String())
		if former := old.MapIndex(entry.Key()); former.IsValid() {
			operations = compare(operations, below, former, entry.Value())
		} else {
			operations = append(operations, operation{"add", below, entry.Value().Interface()})
		}
	}
	for _, key := range old.MapKeys() {
		if !now.MapIndex(key).IsValid() {
			operations = append(operations, operation{Op: "remove", Path: path + "/" + escaper.Replace(key.String())})
		}
	}
	return operations
}

// compareLists takes it that what a list has more was added at its end.
func compareLists(operations []operation, path string, old, now reflect.Value) []operation {
	for i := range now.Len() {
		if i >= old.Len() {
			operations = append(operations, operation{"add", path + "/-", now.Index(i).Interface()})
			continue
		}
		element, before := path+"/"+strconv.Itoa(i), len(operations)
		operations = compare(operations, element, old.Index(i), now.Index(i))
		if len(operations) > before && operations[before].Path == element {
			operations[before].Op = "replace" // what is added there comes before it
		}
	}
	return operations
}

// isEmpty says whether encoding/json leaves out a field with omitempty.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		return false
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// writesItself says whether values are in JSON something else than their fields, as quantities and times are.
func writesItself(t reflect.Type) bool {
	return t.Implements(marshaler) || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(marshaler)
}

// escaper writes a key as a step of a JSON pointer (RFC 6901).
var escaper = strings.NewReplacer("~", "~0", "/", "~1")
