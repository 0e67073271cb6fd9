// Package input reads the files that a simulation starts from: nodes, queues and a trace of jobs. It is strict: a field or a
// column that is not known is an error that says where it stands, because a policy that was tried without the limit that
// somebody misspelt is worse than none.
package input

import (
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	kresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/muster-scheduling/muster/internal/resource"
)

// DefaultPods is how many pods a node takes that does not say so: the kubelet's default.
const DefaultPods = 110

// Amounts converts Kubernetes quantities to the units of package resource: CPU in thousandths, all else by its value. It
// fails on a quantity below zero. What is too large for the unit saturates.
func Amounts(list corev1.ResourceList) (resource.Amounts, error) {
	amounts := make(resource.Amounts, len(list))
	for name, quantity := range list {
		amount, err := amount(string(name), quantity)
		if err != nil {
			return nil, err
		}
		amounts[string(name)] = amount
	}
	return amounts, nil
}

func amount(name string, quantity kresource.Quantity) (int64, error) {
	if quantity.Sign() < 0 {
		return 0, fmt.Errorf("%s: %s is negative", name, quantity.String())
	}
	if name == string(corev1.ResourceCPU) {
		if quantity.CmpInt64(math.MaxInt64/1000) >= 0 {
			return math.MaxInt64, nil
		}
		return quantity.MilliValue(), nil
	}
	if quantity.CmpInt64(math.MaxInt64) >= 0 {
		return math.MaxInt64, nil
	}
	return quantity.Value(), nil // rounds up
}
