package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
)

// reasonWords complete the sentence that starts with the gang's name.
var reasonWords = map[gang.Reason]string{
	gang.PodGroupNotFound:    "waits for its PodGroup",
	gang.Misconfigured:       "waits to be corrected",
	gang.QueueNotFound:       "waits for its queue to exist",
	gang.TopologyNotFound:    "asks for a domain that does not exist",
	gang.NamespaceNotAllowed: "waits in a queue that its namespace may not use",
	gang.ExceedsLimit:        "asks for more than its queue may ever have",
	gang.ExceedsCluster:      "asks for more than the cluster has",
	gang.QueueStopped:        "waits for its queue to be opened",
	gang.WaitingForMembers:   "waits for its pods",
	gang.QuotaExceeded:       "waits for quota",
	gang.TopologyNotMet:      "waits for room in one domain",
	gang.Unschedulable:       "waits for room in the cluster",
	gang.Reserved:            "waits because it would delay a gang that room is kept for",
	gang.MakingRoom:          "waits for evicted pods to leave",
	gang.NotYetPlanned:       "waits to be looked at",
	gang.Committing:          "is being started",
}

// waits says that a gang waits and why: words, and the code for machines.
func waits(reason gang.Reason) string {
	words := reasonWords[reason]
	if words == "" {
		words = "waits"
	}
	return fmt.Sprintf("%s (%s)", words, reason)
}

// kindWords are the kinds as in a manifest.
var kindWords = map[string]string{KindPodGroup: "PodGroup", KindPod: "Pod"}

// kindName is the kind as in a manifest.
func kindName(kind string) string {
	if words := kindWords[kind]; words != "" {
		return words
	}
	return kind
}

// path is a chain of queues read from the top of the tree.
func path(queue string, chain []string) string {
	if len(chain) == 0 {
		return queue
	}
	down := slices.Clone(chain)
	slices.Reverse(down)
	return strings.Join(down, " / ")
}

// count is a number with its noun, which gets an s unless the number is 1.
func count[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// ordinal is 1st, 2nd, 3rd, 4th, 11th, 21st.
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

// some lists the first few of many names.
func some(names []string, few int) string {
	// One more name is as short as saying that there is one more.
	if len(names) <= few+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// span is a duration in at most two units, rounded down to the smaller one.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return count(int64(max(d, 0)/time.Second), "second")
	case d < time.Hour:
		return count(int64(d/time.Minute), "minute")
	case d < day:
		return units(d, time.Hour, "hour", time.Minute, "minute")
	}
	return units(d, day, "day", time.Hour, "hour")
}

func units(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := count(int64(d/large), largeName)
	if rest := int64(d % large / small); rest > 0 {
		text += " " + count(rest, smallName)
	}
	return text
}

// ago is how long something has lasted; empty if its beginning is not known.
func ago(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return ", for " + span(now.Sub(since))
}

// ahead is a time to come, relative and on the clock of now's time zone.
func ahead(t, now time.Time) string {
	wait := t.Sub(now)
	if wait <= 0 {
		return "at any moment"
	}
	return fmt.Sprintf("in %s, %s", span(wait.Round(time.Second)), clock(t, now))
}

// clock is a time in now's time zone, with the date unless it is now's.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("at 15:04")
	}
	return t.Format("on 2006-01-02 at 15:04")
}
