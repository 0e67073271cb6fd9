// Package workload knows what the pods of a Job, a JobSet, a LeaderWorkerSet or a job of Kubeflow are to each other: whether
// they are a gang, and how large that is. It reads those objects as they are in manifests, and needs none of their Go types.
package workload

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Ref names a workload and, where the gang is not the whole of it, the part that is.
type Ref struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Name       string    `json:"name"`
	UID        types.UID `json:"uid"`

	// Part is the index of a LeaderWorkerSet's group, or the name of a JobSet's replicated job; "" for the whole.
	Part string `json:"part,omitempty"`
}

// ParseRef reads what String wrote.
func ParseRef(text string) (Ref, error) {
	var r Ref
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Ref{}, fmt.Errorf("read the name of a workload: %w", err)
	}
	if r.APIVersion == "" || r.Kind == "" || r.Name == "" || r.UID == "" {
		return Ref{}, fmt.Errorf("read the name of a workload: %s lacks apiVersion, kind, name or uid", text)
	}
	return r, nil
}

// String is the reference as JSON.
func (r Ref) String() string {
	text, err := json.Marshal(r)
	if err != nil { // strings only: it cannot be
		panic(err)
	}
	return string(text)
}

// Title names the workload for people: Job llm, or JobSet llm (workers).
func (r Ref) Title() string {
	if r.Part == "" {
		return r.Kind + " " + r.Name
	}
	return fmt.Sprintf("%s %s (%s)", r.Kind, r.Name, r.Part)
}

// GroupVersionKind is the workload's.
func (r Ref) GroupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(r.APIVersion, r.Kind)
}

// Selector is what the labels of all of the workload's pods match, or of that part of it.
func (r Ref) Selector() map[string]string {
	switch r.Kind {
	case "Job":
		return map[string]string{"batch.kubernetes.io/controller-uid": string(r.UID)}
	case "JobSet":
		if r.Part != "" {
			return map[string]string{jobSetLabel: r.Name, replicatedJobLabel: r.Part}
		}
		return map[string]string{jobSetLabel: r.Name}
	case "LeaderWorkerSet":
		return map[string]string{"leaderworkerset.sigs.k8s.io/name": r.Name, groupIndexLabel: r.Part}
	default:
		return map[string]string{"training.kubeflow.org/job-name": r.Name}
	}
}

// PodGroup is the name of the gang's PodGroup, which is a label's value too. Another workload, and one that has the same name
// later, has another.
func (r Ref) PodGroup() string {
	hash := fnv.New32a()
	fmt.Fprintf(hash, "%s/%s", r.UID, r.Part)
	ending := fmt.Sprintf("-%08x", hash.Sum32())
	if r.Part != "" {
		ending = "-" + r.Part + ending
	}
	const longest = 63
	if len(ending) > longest/2 { // a part of so long a name is told by the hash
		ending = ending[len(ending)-9:]
	}
	name := r.Name
	if room := longest - len(ending); len(name) > room {
		name = strings.TrimRight(name[:room], "-.")
	}
	return name + ending
}
