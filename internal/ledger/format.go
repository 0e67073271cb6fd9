package ledger

import (
	"strconv"
	"strings"
)

// Format writes an amount of a resource as people do: CPU in cores, bytes with a binary unit, up to two decimals; all else as
// it is.
func Format(resource string, amount int64) string {
	switch {
	case resource == "cpu":
		return decimals(float64(amount)/1000, 3)
	case resource == "memory" || resource == "ephemeral-storage" || strings.HasPrefix(resource, "hugepages-"):
		return bytes(amount)
	}
	return strconv.FormatInt(amount, 10)
}

func bytes(amount int64) string {
	value, unit := float64(amount), 0
	units := []string{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}
	for unit < len(units)-1 && (value >= 1024 || value <= -1024) {
		value /= 1024
		unit++
	}
	return decimals(value, 2) + units[unit]
}

// decimals writes a number with at most so many decimals.
func decimals(value float64, most int) string {
	text := strconv.FormatFloat(value, 'f', most, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
