package v1alpha1

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FairShareArgs are the arguments of the plugin FairShare.
type FairShareArgs struct {
	metav1.TypeMeta `json:",inline"`

	// maxEvictedPerAsked bounds what may be evicted for one gang, as a multiple of what the gang asks for of the resource
	// that it asks for most: with 8, a gang of one GPU may cost others 8 GPUs of running work, and no more. "0" is no bound.
	// The default is 8.
	MaxEvictedPerAsked *resource.Quantity `json:"maxEvictedPerAsked,omitempty"`

	// evictOverLimitAfter is how long a queue may use more than its limit, since that was lowered or an amount was resized,
	// before the excess, and only that, is evicted. A Go duration; where it is absent nothing is evicted, and the queue
	// admits nothing until it is below its limit again.
	EvictOverLimitAfter *metav1.Duration `json:"evictOverLimitAfter,omitempty"`
}

// DefaultMaxEvictedPerAsked is the bound where nothing else is configured.
const DefaultMaxEvictedPerAsked = 8

// SetDefaults fills in what the configuration leaves out.
func (a *FairShareArgs) SetDefaults() {
	if a.MaxEvictedPerAsked == nil {
		a.MaxEvictedPerAsked = resource.NewQuantity(DefaultMaxEvictedPerAsked, resource.DecimalSI)
	}
}

// MaxRatio is the bound as a number; 0 is none.
func (a *FairShareArgs) MaxRatio() float64 { return a.MaxEvictedPerAsked.AsApproximateFloat64() }

// Validate returns what is wrong.
func (a *FairShareArgs) Validate() error {
	if d := a.EvictOverLimitAfter; d != nil && d.Duration < 0 {
		return fmt.Errorf("evictOverLimitAfter is %s: it must not be negative", d.Duration)
	}
	if q := a.MaxEvictedPerAsked; q != nil && q.Sign() < 0 {
		return fmt.Errorf("maxEvictedPerAsked is %s: it must not be negative", q)
	}
	return nil
}
