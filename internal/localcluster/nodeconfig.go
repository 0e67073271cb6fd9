package localcluster

import (
	"errors"
	"fmt"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// LoadNodeConfig reads a file for --node-config: YAML with a list of NodeGroups
// under `groups`. A field that does not exist, or that is given twice, is an
// error, and so is what validation finds wrong with a group.
func LoadNodeConfig(path string) ([]NodeGroup, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	groups, err := parseNodeConfig(data)
	if err != nil {
		return nil, fmt.Errorf("node config %s: %w", path, err)
	}
	return groups, nil
}

func parseNodeConfig(data []byte) ([]NodeGroup, error) {
	var file struct {
		Groups []NodeGroup `json:"groups"`
	}
	converted, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, err
	}
	// The only decoder that says where the unknown field is.
	unknown, err := json.UnmarshalStrict(converted, &file)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return nil, err
	}
	if len(file.Groups) == 0 {
		return nil, errors.New("groups: there is none")
	}
	return file.Groups, validateNodeGroups(file.Groups)
}

// validateNodeGroups finds what the API server would refuse, and mistakes that
// it would not notice, before anything is started.
func validateNodeGroups(groups []NodeGroup) error {
	var errs field.ErrorList
	names := map[string]bool{}
	for i, group := range groups {
		path := field.NewPath("groups").Index(i)
		if names[group.Name] {
			errs = append(errs, field.Duplicate(path.Child("name"), group.Name))
		}
		names[group.Name] = true
		errs = append(errs, validateNodeGroup(group, path)...)
	}
	return errs.ToAggregate()
}

func validateNodeGroup(group NodeGroup, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if group.Name == "" {
		errs = append(errs, field.Required(path.Child("name"), "it prefixes the names of the nodes"))
	} else {
		for _, message := range validation.IsDNS1123Subdomain(fmt.Sprintf("%s-%d", group.Name, group.Count)) {
			errs = append(errs, field.Invalid(path.Child("name"), group.Name, message))
		}
	}
	if group.Count < 1 {
		errs = append(errs, field.Invalid(path.Child("count"), group.Count, "must be at least 1"))
	}
	for name, quantity := range group.Capacity {
		at := path.Child("capacity").Key(string(name))
		for _, message := range validation.IsQualifiedName(string(name)) {
			errs = append(errs, field.Invalid(at, name, message))
		}
		if quantity.Sign() < 0 {
			errs = append(errs, field.Invalid(at, quantity.String(), "must not be negative"))
		}
	}
	errs = append(errs, metav1validation.ValidateLabels(group.Labels, path.Child("labels"))...)
	for i, taint := range group.Taints {
		errs = append(errs, validateTaint(taint, path.Child("taints").Index(i))...)
	}
	return errs
}

func validateTaint(taint corev1.Taint, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, message := range validation.IsQualifiedName(taint.Key) {
		errs = append(errs, field.Invalid(path.Child("key"), taint.Key, message))
	}
	for _, message := range validation.IsValidLabelValue(taint.Value) {
		errs = append(errs, field.Invalid(path.Child("value"), taint.Value, message))
	}
	effects := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
	if !slices.Contains(effects, taint.Effect) {
		errs = append(errs, field.NotSupported(path.Child("effect"), taint.Effect, effects))
	}
	return errs
}
