package health

import (
	"slices"
	"testing"
	"time"
)

func TestClassify(t *testing.T) {
	for class, xids := range map[Class][]uint64{
		Application: {8, 13, 31, 43, 45, 68, 109, 137},
		Notice:      {63, 92, 94, 121},
		Fatal:       {48, 62, 64, 74, 79, 95, 119, 120, 140, 9999}, // what is not known is fatal
	} {
		for _, xid := range xids {
			if got := Classify(xid); got != class {
				t.Errorf("Xid %d is of class %d, want %d", xid, got, class)
			}
		}
	}
}

func TestFaultsOfAGPUEndTogether(t *testing.T) {
	begin := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	var faults []Fault
	for _, f := range []Fault{
		{GPU: "b", Instance: Whole, Xid: 48, At: at(0)},
		{GPU: "a", Instance: Whole, Xid: 79, At: at(0)},
		{GPU: "b", Instance: 2, Xid: 95, At: at(5)},
		{GPU: "a", Instance: Whole, Xid: 79, At: at(3)}, // again
	} {
		faults = Add(faults, f)
	}
	want := []Fault{
		{GPU: "a", Instance: Whole, Xid: 79, At: at(3)},
		{GPU: "b", Instance: Whole, Xid: 48, At: at(0)},
		{GPU: "b", Instance: 2, Xid: 95, At: at(5)},
	}
	for _, step := range []struct {
		minute int
		want   []Fault
	}{{5, want}, {12, want}, {13, want[1:]}, {14, want[1:]}, {15, nil}} {
		if got := Current(faults, at(step.minute), 10*time.Minute); !slices.Equal(got, step.want) {
			t.Errorf("after %d minutes: %v, want %v", step.minute, got, step.want)
		}
	}
}

func TestFaultsOutliveTheAgentButNotABoot(t *testing.T) {
	faults := []Fault{{GPU: "GPU-1", Instance: 3, Xid: 79, At: time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)}}
	text, err := Encode(faults, "boot-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(text, "boot-1"); err != nil || !slices.Equal(got, faults) {
		t.Errorf("in the same boot: %v, %v", got, err)
	}
	if got, err := Decode(text, "boot-2"); err != nil || got != nil {
		t.Errorf("after a boot: %v, %v", got, err)
	}
	if text, err := Encode(nil, "boot-1"); err != nil || text != "" {
		t.Errorf("of no fault: %q, %v", text, err)
	}
	if got, err := Decode("", "boot-1"); err != nil || got != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	if _, err := Decode("{", "boot-1"); err == nil {
		t.Error("no error for what is not JSON")
	}
}

func TestFaultNamesItsMeaning(t *testing.T) {
	for want, fault := range map[string]Fault{
		"Xid 79: the GPU has fallen off the bus":          {Instance: Whole, Xid: 79},
		"Xid 95 in GPU instance 2: uncontained ECC error": {Instance: 2, Xid: 95},
		"Xid 9999": {Instance: Whole, Xid: 9999},
	} {
		if got := fault.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
