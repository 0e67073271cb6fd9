package v1alpha1

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// QueueArgs are the arguments of the plugin Queue.
type QueueArgs struct {
	metav1.TypeMeta `json:",inline"`

	// reservations is for how many gangs at the head of the line room is kept at a time, so that others do not delay them.
	// 0 keeps none: large gangs may then be passed by small ones for ever. The default is 1.
	Reservations *int32 `json:"reservations,omitempty"`

	// patience is how long a gang at the head of the line lets others pass when nobody can tell when it will start, since
	// what is in its way has no expected run time. After that, what comes free on the nodes that it waits for is kept for
	// it. A Go duration; the default is 1h.
	Patience *metav1.Duration `json:"patience,omitempty"`

	// usageHalfLife makes past usage count in the order of queues: what was used this long ago weighs half as much. A Go
	// duration; 0s, the default, forgets the past.
	UsageHalfLife *metav1.Duration `json:"usageHalfLife,omitempty"`
}

// Defaults of QueueArgs.
const (
	DefaultReservations = 1
	DefaultPatience     = time.Hour
	maxReservations     = 16
)

// SetDefaults fills in what the configuration leaves out.
func (a *QueueArgs) SetDefaults() {
	if a.Reservations == nil {
		reservations := int32(DefaultReservations)
		a.Reservations = &reservations
	}
	if a.Patience == nil {
		a.Patience = &metav1.Duration{Duration: DefaultPatience}
	}
	if a.UsageHalfLife == nil {
		a.UsageHalfLife = &metav1.Duration{}
	}
}

// Validate returns one error for all that is wrong.
func (a *QueueArgs) Validate() error {
	var errs []error
	if n := a.Reservations; n != nil && (*n < 0 || *n > maxReservations) {
		errs = append(errs, fmt.Errorf("reservations is %d: it must be between 0 and %d", *n, maxReservations))
	}
	if p := a.Patience; p != nil && p.Duration < 0 {
		errs = append(errs, fmt.Errorf("patience is %s: it must not be negative", p.Duration))
	}
	if h := a.UsageHalfLife; h != nil && h.Duration < 0 {
		errs = append(errs, fmt.Errorf("usageHalfLife is %s: it must not be negative", h.Duration))
	}
	return errors.Join(errs...)
}
