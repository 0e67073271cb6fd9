package explain

import (
	"strings"
	"unicode/utf8"
)

// table aligns the cells of rows in columns, each line after the indent.
func table(rows [][]string, indent string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out, line strings.Builder
	for _, row := range rows {
		line.Reset()
		for i, cell := range row {
			line.WriteString(pad(cell, widths[i]+2))
		}
		out.WriteString(indent + strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.String()
}
