package input

import (
	"fmt"
	"slices"
	"strings"
)

// row is one line of a CSV file whose header names the columns.
type row struct {
	columns map[string]int
	fields  []string
}

// get returns the trimmed field of a column, empty where the file has no such column.
func (r row) get(column string) string {
	if i, ok := r.columns[column]; ok {
		return strings.TrimSpace(r.fields[i])
	}
	return ""
}

// columns finds out where each column stands. A column that is not known, that is there twice, or that is required and
// missing is an error.
func columns(header, known, required []string) (map[string]int, error) {
	index := make(map[string]int, len(header))
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("column %q is not known; there are %s", name, strings.Join(known, ", "))
		}
		if _, twice := index[name]; twice {
			return nil, fmt.Errorf("column %q is there twice", name)
		}
		index[name] = i
	}
	for _, name := range required {
		if _, ok := index[name]; !ok {
			return nil, fmt.Errorf("column %q is missing", name)
		}
	}
	return index, nil
}
