// Package scenario reads and runs cases of what the scheduler has to do: a few nodes, queues and gangs, what happens to them,
// and what is expected. They are files, so that a person can read them and add to them; test/scenarios/queues/README.md
// explains their fields.
package scenario

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/numa"
)

// Scenario is one case.
type Scenario struct {
	Name string `json:"name"`
	// Covers says in words which rule or report the case comes from.
	Covers     string     `json:"covers"`
	Nodes      []Nodes    `json:"nodes"`
	Topologies []Topology `json:"topologies"`
	Queues     []Queue    `json:"queues"`
	Options    Options    `json:"options"`
	Gangs      []Gangs    `json:"gangs"`
	Then       []Step     `json:"then"`
	Expect     []Expect   `json:"expect"`
}

// Nodes is a number of equal nodes: NAME, or with a count NAME-1, NAME-2 and so on.
type Nodes struct {
	Name     string              `json:"name"`
	Count    int                 `json:"count"`
	Capacity corev1.ResourceList `json:"capacity"`
	Labels   map[string]string   `json:"labels"`
	Layout   *Layout             `json:"layout"`
}

// Layout is how many GPUs are in each NUMA node and in each NVLink island, and the kubelet's topology manager policy.
type Layout struct {
	Policy numa.Policy `json:"policy"`
	NUMA   []int64     `json:"numa"`
	NVLink []int64     `json:"nvlink"`
}

// Topology is the spec of a Topology object and its name. It may be one that the API server would refuse.
type Topology struct {
	Name                  string `json:"name"`
	v1alpha1.TopologySpec `json:",inline"`
}

// Queue is the spec of a Queue object and its name.
type Queue struct {
	Name               string `json:"name"`
	v1alpha1.QueueSpec `json:",inline"`
}

// Options is the policy.
type Options struct {
	// Reservations is how many gangs hold a reservation at a time, 1 if absent.
	Reservations *int            `json:"reservations"`
	Patience     metav1.Duration `json:"patience"`
	MaxRatio     float64         `json:"maxRatio"`
	HalfLife     metav1.Duration `json:"halfLife"`
	Grace        metav1.Duration `json:"grace"`
}

// Gangs is a number of gangs that differ in name and arrival only: NAME, or with a count NAME-1, NAME-2 and so on.
type Gangs struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	// Every is the time between the arrivals of two of them.
	Every    metav1.Duration     `json:"every"`
	Queue    string              `json:"queue"`
	Priority int32               `json:"priority"`
	Arrival  metav1.Duration     `json:"arrival"`
	Pods     int                 `json:"pods"`
	Min      int                 `json:"min"`
	Request  corev1.ResourceList `json:"request"`
	Duration metav1.Duration     `json:"duration"`
	Expected metav1.Duration     `json:"expected"`
	Firm     bool                `json:"firm"`
	// Topology is asked of where all pods are together, Segments of each so many consecutive ones.
	Topology Want     `json:"topology"`
	Segments Segments `json:"segments"`
	// GPUTopology is how near the GPUs of each pod have to be.
	GPUTopology GPUTopology `json:"gpuTopology"`
	// RunsOn are the nodes on which pods run from the beginning, and how many on each; Started is since when, before the beginning
	// and so negative.
	RunsOn  map[string]int  `json:"runsOn"`
	Started metav1.Duration `json:"started"`
}

// Want names levels of Topologies.
type Want struct {
	Required  string `json:"required"`
	Preferred string `json:"preferred"`
}

// GPUTopology requires one NUMA node ("numa") or one NVLink island ("nvlink").
type GPUTopology struct {
	Required numa.Locality `json:"required"`
}

// Segments are parts of Size consecutive pods; without a Size all are one part, as the pods of a role are.
type Segments struct {
	Size int `json:"size"`
	Want `json:",inline"`
}

// Step is what happens from outside at a time.
type Step struct {
	At           metav1.Duration `json:"at"`
	Queues       []Queue         `json:"queues"`
	DeleteQueues []string        `json:"deleteQueues"`
	AddNodes     []Nodes         `json:"addNodes"`
	LoseNodes    []string        `json:"loseNodes"`
	Withdraw     []string        `json:"withdraw"`
}

// Expect is what has to hold at a time, after all that happens at it. Names are those of gangs, or of groups of gangs:
// then numbers are sums.
type Expect struct {
	At metav1.Duration `json:"at"`
	// Bound is how many pods run of each gang; of a gang that is not named, none. Absent: not looked at.
	Bound map[string]int `json:"bound"`
	// Waiting is the reason for which gangs wait; Message has a part of the words.
	Waiting map[string]string `json:"waiting"`
	Message map[string]string `json:"message"`
	// Evicted is how many pods of each gang have been evicted so far; of a gang that is not named, none.
	Evicted map[string]int `json:"evicted"`
	// Started is when gangs first started: all of a group within the bounds.
	Started map[string]Span `json:"started"`
	// Done is how many gangs have come to their end.
	Done map[string]int `json:"done"`
	// Reserved is when the gangs that hold a reservation start, or "unknown"; no other gang may hold one.
	Reserved map[string]string `json:"reserved"`
	// RunsOn is how many pods of a gang run on each node.
	RunsOn map[string]map[string]int `json:"runsOn"`
	// Split is the share of each queue of what they used together of a resource, in percent, with a tolerance.
	Split *Split `json:"split"`
	// Ask is what is answered about gangs that arrive at this time or later, before they do.
	Ask map[string]Answer `json:"ask"`
	// Moving skips the check that nothing changes in five more rounds: where things are on the move, as while pods leave.
	Moving bool `json:"moving"`
}

// Span is the earliest and the latest time, both included.
type Span struct {
	From metav1.Duration  `json:"from"`
	To   *metav1.Duration `json:"to"`
}

// Split is how queues have shared a resource between two times.
type Split struct {
	Resource string             `json:"resource"`
	From     metav1.Duration    `json:"from"`
	Percent  map[string]float64 `json:"percent"`
	Within   float64            `json:"within"`
}

// Answer is what a what-if has to say.
type Answer struct {
	Prospect string         `json:"prospect"`
	Victims  map[string]int `json:"victims"`
	Reason   string         `json:"reason"`
	// Start is the forecast for a gang that starts later.
	Start *metav1.Duration `json:"start"`
}

// Parse reads the cases of one file. A field that is not known is an error.
func Parse(data []byte) ([]Scenario, error) {
	converted, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, err
	}
	var scenarios []Scenario
	unknown, err := json.UnmarshalStrict(converted, &scenarios)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i, sc := range scenarios {
		switch {
		case sc.Name == "":
			return nil, fmt.Errorf("case %d has no name", i+1)
		case names[sc.Name]:
			return nil, fmt.Errorf("two cases have the name %q", sc.Name)
		case len(sc.Expect) == 0:
			return nil, fmt.Errorf("case %q expects nothing", sc.Name)
		}
		names[sc.Name] = true
	}
	return scenarios, nil
}

// epoch is the beginning of every case.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(after metav1.Duration) time.Time { return epoch.Add(after.Duration) }
