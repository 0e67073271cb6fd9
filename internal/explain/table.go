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
	var out strings.Builder
	for _, row := range rows {
		line := indent
		for i, cell := range row {
			line += pad(cell, widths[i]+2)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}
