package kubetest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// apply is server-side apply of labels and annotations, without force.
func (s *Server) apply(manager string, body []byte) (any, error) {
	var applied struct {
		Metadata struct {
			UID                 types.UID
			Labels, Annotations map[string]string
		}
	}
	if err := json.Unmarshal(body, &applied); err != nil {
		return nil, err
	}
	if manager == "" || applied.Metadata.UID != s.node.UID {
		return nil, conflict
	}
	fields := []struct {
		field   string
		now     *map[string]string
		applied map[string]string
	}{
		{"f:labels", &s.node.Labels, applied.Metadata.Labels},
		{"f:annotations", &s.node.Annotations, applied.Metadata.Annotations},
	}
	for _, m := range fields {
		for key, value := range m.applied {
			now, exists := (*m.now)[key]
			if exists && now != value && s.othersOwn(m.field+"/"+key, manager) {
				return nil, conflict
			}
		}
	}
	for _, m := range fields {
		if *m.now == nil {
			*m.now = map[string]string{}
		}
		s.disown(m.field, manager, *m.now, m.applied)
		for key, value := range m.applied {
			(*m.now)[key] = value
			s.own(m.field+"/"+key, manager)
		}
	}
	s.bump()
	return s.node, nil
}

func (s *Server) othersOwn(field, manager string) bool {
	for owner := range s.owners[field] {
		if owner != manager {
			return true
		}
	}
	return false
}

// disown gives up what the manager owned and does not apply any more, and
// removes what nobody owns then.
func (s *Server) disown(field, manager string, now, applied map[string]string) {
	for name, owners := range s.owners {
		key, inField := strings.CutPrefix(name, field+"/")
		if _, kept := applied[key]; !inField || kept || !owners[manager] {
			continue
		}
		delete(owners, manager)
		if len(owners) == 0 {
			delete(s.owners, name)
			delete(now, key)
		}
	}
}

// managedFields writes down who owns what, in the form of the API.
func (s *Server) managedFields() []metav1.ManagedFieldsEntry {
	byManager := map[string]map[string]map[string]any{}
	for name, owners := range s.owners {
		field, key, _ := strings.Cut(name, "/")
		for manager := range owners {
			if byManager[manager] == nil {
				byManager[manager] = map[string]map[string]any{}
			}
			if byManager[manager][field] == nil {
				byManager[manager][field] = map[string]any{".": map[string]any{}}
			}
			byManager[manager][field]["f:"+key] = map[string]any{}
		}
	}
	var entries []metav1.ManagedFieldsEntry
	for _, manager := range slices.Sorted(maps.Keys(byManager)) {
		operation := metav1.ManagedFieldsOperationUpdate
		if manager == "muster-node-agent" {
			operation = metav1.ManagedFieldsOperationApply
		}
		raw, err := json.Marshal(map[string]any{"f:metadata": byManager[manager]})
		if err != nil {
			panic(err) // maps of strings can always be encoded
		}
		entries = append(entries, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: operation, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(string(raw)),
		})
	}
	return entries
}
