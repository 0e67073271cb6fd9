package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Quantity is an amount of a resource as a person would write it: CPU in cores, bytes with a binary suffix, all else as
// a plain number.
func Quantity(name string, amount int64) string {
	switch {
	case name == "cpu":
		return decimal(float64(amount) / 1000)
	case name == "memory", name == "ephemeral-storage", name == "storage", strings.HasPrefix(name, "hugepages-"):
		return bytes(amount)
	}
	return strconv.FormatInt(amount, 10)
}

// bytes is an amount of bytes in the largest unit of which there is one at least.
func bytes(amount int64) string {
	value, suffix := float64(amount), ""
	for _, next := range []string{"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"} {
		if value < 1024 && value > -1024 {
			break
		}
		value, suffix = value/1024, next
	}
	return decimal(value) + suffix
}

// decimal writes three digits at least, and none after the point that is zero: 0.25, 7.5, 12.3, 512.
func decimal(value float64) string {
	digits := 2
	switch {
	case value >= 100 || value <= -100:
		digits = 0
	case value >= 10 || value <= -10:
		digits = 1
	}
	text := strconv.FormatFloat(value, 'f', digits, 64)
	if digits > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// amountsText lists amounts with devices first, then CPU, memory and the rest. Pods are left out where anything else is
// there: everything that asks says how many pods it has.
func amountsText(amounts resource.Amounts) string {
	var parts []string
	for _, name := range byImportance(maps.Keys(amounts)) {
		if amounts[name] == 0 || name == "pods" && len(amounts) > 1 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s", Quantity(name, amounts[name]), name))
	}
	return strings.Join(parts, ", ")
}

// byImportance sorts names of resources: devices, CPU, memory, the rest; each by name.
func byImportance(names func(yield func(string) bool)) []string {
	rank := func(name string) int {
		switch {
		case strings.Contains(name, "/"):
			return 0
		case name == "cpu":
			return 1
		case name == "memory":
			return 2
		}
		return 3
	}
	return slices.SortedFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

// lostWork is an amount of GPU-seconds in the unit that suits it.
func lostWork(gpuSeconds int64) string {
	switch {
	case gpuSeconds < 120:
		return fmt.Sprintf("%d GPU-seconds", gpuSeconds)
	case gpuSeconds < 7200:
		return fmt.Sprintf("%d GPU-minutes", gpuSeconds/60)
	}
	return decimal(float64(gpuSeconds)/3600) + " GPU-hours"
}
