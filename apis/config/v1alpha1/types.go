// Package v1alpha1 holds the arguments of Muster's scheduler plugins, as they stand in the pluginConfig of a
// KubeSchedulerConfiguration.
package v1alpha1

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CoschedulingArgs are the arguments of the plugin Coscheduling.
type CoschedulingArgs struct {
	metav1.TypeMeta `json:",inline"`

	// brokenGangGracePeriod is how long a gang that runs below its minimum, for example because a node was lost, may
	// wait to be completed before the members that still run are evicted, so that the gang can start again as a whole.
	// A Go duration; 0s evicts at once. The default is 5m.
	BrokenGangGracePeriod *metav1.Duration `json:"brokenGangGracePeriod,omitempty"`
}

// DefaultBrokenGangGracePeriod is how long a gang may run below its minimum where nothing else is configured.
const DefaultBrokenGangGracePeriod = 5 * time.Minute

// SetDefaults fills in what the configuration leaves out.
func (a *CoschedulingArgs) SetDefaults() {
	if a.BrokenGangGracePeriod == nil {
		a.BrokenGangGracePeriod = &metav1.Duration{Duration: DefaultBrokenGangGracePeriod}
	}
}

// Validate returns one error for all that is wrong.
func (a *CoschedulingArgs) Validate() error {
	var errs []error
	if grace := a.BrokenGangGracePeriod; grace != nil && grace.Duration < 0 {
		errs = append(errs, fmt.Errorf("brokenGangGracePeriod is %s: it must not be negative", grace.Duration))
	}
	return errors.Join(errs...)
}
