package explain

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

func TestEveryReasonHasWords(t *testing.T) {
	for _, reason := range gang.Reasons() {
		if reasonWords[reason] == "" {
			t.Errorf("nothing completes the sentence %q for the reason %s", "PodGroup ns/name ...", reason)
		}
	}
	if got := waits("Newer"); got != "waits (Newer)" {
		t.Errorf("a reason without words: %q", got)
	}
}

func TestQuantity(t *testing.T) {
	for _, test := range []struct {
		name   string
		amount int64
		want   string
	}{
		{"cpu", 500, "0.5"},
		{"cpu", 1250, "1.25"},
		{"cpu", 12340, "12.3"},
		{"cpu", 2048000, "2048"},
		{"cpu", 0, "0"},
		{"memory", 512, "512"},
		{"memory", 1 << 30, "1Gi"},
		{"memory", 3 << 39, "1.5Ti"},
		{"memory", -(3 << 30), "-3Gi"},
		{"memory", math.MaxInt64, "8Ei"},
		{"hugepages-2Mi", 4 << 20, "4Mi"},
		{"nvidia.com/gpu", 1234, "1234"},
		{"pods", 110, "110"},
	} {
		if got := Quantity(test.name, test.amount); got != test.want {
			t.Errorf("%d of %s is %q, want %q", test.amount, test.name, got, test.want)
		}
	}
}

func TestAmountsText(t *testing.T) {
	got := amountsText(resource.Amounts{"pods": 2, "memory": 1 << 30, "cpu": 500, "nvidia.com/gpu": 8, "amd.com/gpu": 0, "hugepages-1Gi": 1 << 30})
	if want := "8 nvidia.com/gpu, 0.5 cpu, 1Gi memory, 1Gi hugepages-1Gi"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := amountsText(resource.Amounts{"pods": 2}); got != "2 pods" {
		t.Errorf("pods alone: %q", got)
	}
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[int]string{
		1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 10: "10th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 102: "102nd", 111: "111th",
	} {
		if got := ordinal(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Hour, "at any moment"},
		{0, "at any moment"},
		{time.Second, "in 1 second, at 12:00"},
		{90 * time.Second, "in 1 minute, at 12:01"},
		{61 * time.Minute, "in 1 hour 1 minute, at 13:01"},
		{11 * time.Hour, "in 11 hours, at 23:00"},
		{12 * time.Hour, "in 12 hours, on 2026-03-05 at 00:00"},
		{365 * 24 * time.Hour, "in 365 days, on 2027-03-04 at 12:00"},
	} {
		if got := ahead(noon.Add(test.d), noon); got != test.want {
			t.Errorf("%s ahead: %q, want %q", test.d, got, test.want)
		}
	}
	east := noon.In(time.FixedZone("east", 5*3600))
	if got := ahead(noon.Add(time.Hour), east); got != "in 1 hour, at 18:00" {
		t.Errorf("not in the time zone of the one who asks: %q", got)
	}
	if got := ago(time.Time{}, noon) + ago(noon.Add(time.Hour), noon); got != ", for 0 seconds" {
		t.Errorf("an unknown time and one to come: %q", got)
	}
}

func TestSome(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	if got := some(names, 3); got != "a, b, c, d" {
		t.Errorf("all but one: %q", got)
	}
	if got := some(names, 2); got != "a, b and 2 more" {
		t.Errorf("half of them: %q", got)
	}
}

// Whatever the text and the width: no word is lost, and no line is too long unless a word is.
func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.StringMatching("[a-zé·]{1,30}")).Draw(t, "words"), " ")
		width := rapid.IntRange(-5, 60).Draw(t, "width")
		lines := wrap(text, width)
		if strings.Join(lines, " ") != text {
			t.Fatalf("%q became %q", text, lines)
		}
		for _, line := range lines {
			if width >= narrowest && utf8.RuneCountInString(line) > width && strings.Contains(line, " ") {
				t.Fatalf("%q is longer than %d", line, width)
			}
		}
	})
}

// Whatever the amounts: a bar has its width, shows nothing for nothing, and as many signs of use as is in use.
func TestBar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.OneOf(rapid.Int64Range(0, 1000), rapid.SampledFrom([]int64{-1, math.MinInt64, math.MaxInt64, math.MaxInt64 - 1}))
		l := levels{amount.Draw(t, "used"), amount.Draw(t, "guarantee"), amount.Draw(t, "share"), amount.Draw(t, "limit")}
		full, width := amount.Draw(t, "full"), rapid.IntRange(0, 60).Draw(t, "width")
		drawn := bar(l, full, width, plainSigns)
		if len(drawn) != width {
			t.Fatalf("%q has %d signs, want %d", drawn, len(drawn), width)
		}
		marks := strings.Count(drawn, "|") + strings.Count(drawn, "]")
		used := strings.Count(drawn, "#") + strings.Count(drawn, "+")
		if want := cells(l.used, full, width); used > want || used+marks < want {
			t.Fatalf("%q shows %d in use, want %d", drawn, used, want)
		}
	})
}

// Whatever the parents: every queue is drawn once, below its parent if that is possible.
func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c", "d", "e", "f"}
		var queues Queues
		want := map[string]bool{}
		for _, name := range names[:rapid.IntRange(0, len(names)).Draw(t, "queues")] {
			parent := rapid.SampledFrom(append(names, "", "none")).Draw(t, "parent")
			queues.Queues = append(queues.Queues, Queue{Name: name, Parent: parent})
			want[name] = true
		}
		drawn := map[string]bool{}
		for _, p := range queues.tree("", plain) {
			if drawn[p.Name] {
				t.Fatalf("%s is drawn twice", p.Name)
			}
			if p.branch != "" && !drawn[p.Parent] {
				t.Fatalf("%s is drawn before its parent %s", p.Name, p.Parent)
			}
			drawn[p.Name] = true
		}
		if !maps.Equal(drawn, want) {
			t.Fatalf("drawn are %v, want %v", drawn, want)
		}
	})
}

func TestQueuesOfAClusterWithoutNodes(t *testing.T) {
	queues := Queues{Queues: []Queue{{Name: "default", Weight: 1}}}
	text, err := queues.Text(queues.DefaultResource(), Look{})
	if err != nil || !strings.Contains(text, "cpu: 0 of 0 in use") || !strings.Contains(text, "default") {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := queues.Text("nvidia.com/gpu", Look{}); err == nil {
		t.Error("a resource that nobody knows is drawn")
	}
}
