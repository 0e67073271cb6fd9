package state

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/internal/resource"
)

// layoutOf reads a NodeResourceTopology. What cannot be read becomes a fault of the resource that it concerns.
func layoutOf(object map[string]any) *numa.Layout {
	l := &numa.Layout{Faults: map[string]string{}}
	l.Policy, l.PodScope = policyOf(object)
	for _, item := range listOf(object["zones"]) {
		kind, _ := item["type"].(string)
		switch strings.ToLower(kind) {
		case "node":
			l.Nodes = append(l.Nodes, zoneOf(item, l.Faults))
		case "nvlink":
			l.Islands = append(l.Islands, zoneOf(item, l.Faults))
		}
	}
	// The kubelet goes by the numbers of NUMA nodes: "node-2" comes before "node-10".
	slices.SortStableFunc(l.Nodes, func(a, b numa.Zone) int { return cmp.Compare(numberOf(a.Name), numberOf(b.Name)) })
	return l
}

func zoneOf(item map[string]any, faults map[string]string) numa.Zone {
	zone := numa.Zone{Allocatable: resource.Amounts{}, Available: resource.Amounts{}}
	zone.Name, _ = item["name"].(string)
	for _, info := range listOf(item["resources"]) {
		name, _ := info["name"].(string)
		allocatable, err := amountIn(name, info["allocatable"])
		available, availableErr := amountIn(name, info["available"])
		_, twice := zone.Allocatable[name]
		switch {
		case err != nil:
			faults[name] = fmt.Sprintf("zone %s has %v allocatable %s", zone.Name, info["allocatable"], name)
		case availableErr != nil:
			faults[name] = fmt.Sprintf("zone %s has %v available %s", zone.Name, info["available"], name)
		case available > allocatable:
			faults[name] = fmt.Sprintf("zone %s has %v available of %v %s", zone.Name, info["available"], info["allocatable"], name)
		case twice:
			faults[name] = fmt.Sprintf("zone %s lists %s twice", zone.Name, name)
		}
		zone.Allocatable[name], zone.Available[name] = allocatable, available
	}
	for _, attribute := range listOf(item["attributes"]) {
		if value, ok := attribute["value"].(string); ok && attribute["name"] == "unhealthy" {
			zone.Broken = brokenIn(value)
		}
	}
	return zone
}

// brokenIn reads how many devices of a zone fail and are held by nobody, as muster-node-agent lists them: "nvidia.com/gpu=1 …".
func brokenIn(text string) resource.Amounts {
	broken := resource.Amounts{}
	for word := range strings.FieldsSeq(text) {
		name, number, _ := strings.Cut(word, "=")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 {
			broken[name] = n
		}
	}
	return broken
}

// amountIn reads a quantity of an object that no schema may have checked.
func amountIn(name string, value any) (int64, error) {
	quantity, err := apiresource.ParseQuantity(fmt.Sprint(value))
	if err != nil {
		return 0, err
	}
	if quantity.Sign() < 0 {
		return 0, fmt.Errorf("%s is negative", quantity.String())
	}
	return AmountsOf(corev1.ResourceList{corev1.ResourceName(name): quantity})[name], nil
}

// policyOf reads the kubelet's topology manager policy and whether its scope is the pod: from the attributes, else from the
// older field topologyPolicies.
func policyOf(object map[string]any) (policy numa.Policy, podScope bool) {
	old, _ := object["topologyPolicies"].([]any)
	for _, item := range old {
		switch text := strings.ToLower(fmt.Sprint(item)); {
		case strings.HasPrefix(text, "singlenumanode"):
			policy = numa.SingleNode
		case strings.HasPrefix(text, "restricted"):
			policy = numa.Restricted
		case strings.HasPrefix(text, "besteffort"):
			policy = numa.BestEffort
		}
		podScope = strings.HasSuffix(strings.ToLower(fmt.Sprint(item)), "podlevel")
	}
	for _, attribute := range listOf(object["attributes"]) {
		value, _ := attribute["value"].(string)
		switch attribute["name"] {
		case "topologyManagerPolicy":
			policy = numa.Policy(strings.ToLower(value))
		case "topologyManagerScope":
			podScope = strings.EqualFold(value, "pod")
		}
	}
	return policy, podScope
}

// listOf is a list of objects within an object.
func listOf(value any) []map[string]any {
	items, _ := value.([]any)
	var list []map[string]any
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			list = append(list, object)
		}
	}
	return list
}

// numberOf is the number that a name ends with; 0 where it ends with none.
func numberOf(name string) int {
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	number, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return number
}
