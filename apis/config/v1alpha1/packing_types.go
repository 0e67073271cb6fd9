package v1alpha1

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// PackingArgs are the arguments of the plugin Packing.
type PackingArgs struct {
	metav1.TypeMeta `json:",inline"`

	// strategy is how nodes are filled where neither a pod nor its PodGroup says: pack keeps what is free usable for the shapes
	// that wait and have been seen, spread takes the emptiest nodes first. The default is pack.
	Strategy string `json:"strategy,omitempty"`

	// memory is after what time a shape that has been seen counts half as much. A Go duration; the default is 24h.
	Memory *metav1.Duration `json:"memory,omitempty"`
}

// DefaultPackingMemory is after what time a shape counts half as much where nothing else is configured.
const DefaultPackingMemory = 24 * time.Hour

// SetDefaults fills in what the configuration leaves out.
func (a *PackingArgs) SetDefaults() {
	if a.Strategy == "" {
		a.Strategy = schedulingv1alpha1.PackingPack
	}
	if a.Memory == nil {
		a.Memory = &metav1.Duration{Duration: DefaultPackingMemory}
	}
}

// Validate returns one error for all that is wrong.
func (a *PackingArgs) Validate() error {
	var errs []error
	if s := a.Strategy; s != "" && s != schedulingv1alpha1.PackingPack && s != schedulingv1alpha1.PackingSpread {
		errs = append(errs, fmt.Errorf("strategy is %q: it must be %s or %s", s, schedulingv1alpha1.PackingPack, schedulingv1alpha1.PackingSpread))
	}
	if m := a.Memory; m != nil && m.Duration <= 0 {
		errs = append(errs, fmt.Errorf("memory is %s: it must be positive", m.Duration))
	}
	return errors.Join(errs...)
}
