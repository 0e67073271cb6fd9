package health

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Whole is the Instance of a fault that concerns the whole GPU.
const Whole = -1

// Fault is one Xid error.
type Fault struct {
	GPU      string    `json:"gpu"`      // UUID of the GPU
	Instance int       `json:"instance"` // the MIG GPU instance, or Whole
	Xid      uint64    `json:"xid"`
	At       time.Time `json:"at"` // when it was last seen
}

// String names the error and its meaning.
func (f Fault) String() string {
	text := fmt.Sprintf("Xid %d", f.Xid)
	if f.Instance != Whole {
		text += fmt.Sprintf(" in GPU instance %d", f.Instance)
	}
	if means := Meaning(f.Xid); means != "" {
		text += ": " + means
	}
	return text
}

// SameAs says whether both are the same error at the same place, at any time.
func (f Fault) SameAs(other Fault) bool {
	return f.GPU == other.GPU && f.Instance == other.Instance && f.Xid == other.Xid
}

// Add returns the faults with one more. What was seen before is only renewed.
func Add(faults []Fault, one Fault) []Fault {
	kept := append(slices.DeleteFunc(slices.Clone(faults), one.SameAs), one)
	slices.SortFunc(kept, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.GPU, b.GPU), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Xid, b.Xid))
	})
	return kept
}

// Current returns the faults that still count at the time: those of GPUs that
// had one within the last window. A GPU is trusted again as a whole, once it
// has been quiet that long.
func Current(faults []Fault, now time.Time, window time.Duration) []Fault {
	last := map[string]time.Time{}
	for _, f := range faults {
		if f.At.After(last[f.GPU]) {
			last[f.GPU] = f.At
		}
	}
	var current []Fault
	for _, f := range faults {
		if now.Sub(last[f.GPU]) < window {
			current = append(current, f)
		}
	}
	return current
}

// record is how faults are kept while the agent restarts.
type record struct {
	Boot   string  `json:"boot"` // the boot of the node in which they happened
	Faults []Fault `json:"faults"`
}

// Encode returns the faults as text that Decode reads; "" for none.
func Encode(faults []Fault, boot string) (string, error) {
	if len(faults) == 0 {
		return "", nil
	}
	text, err := json.Marshal(record{Boot: boot, Faults: faults})
	if err != nil {
		return "", fmt.Errorf("encoding %d GPU faults: %w", len(faults), err)
	}
	return string(text), nil
}

// Decode returns the faults that Encode wrote in the same boot of the node, and
// none if the node has booted since: that resets the GPUs.
func Decode(text, boot string) ([]Fault, error) {
	if text == "" {
		return nil, nil
	}
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("decoding GPU faults: %w", err)
	}
	if r.Boot != boot {
		return nil, nil
	}
	return r.Faults, nil
}
