package explain

import (
	"strings"
	"unicode/utf8"
)

// Look says what whoever reads the text can see.
type Look struct {
	// Width is how many columns a line may have; 0: as many as it takes.
	Width int

	// Unicode allows characters beyond ASCII.
	Unicode bool
}

// column is where the values of a list of facts start.
const column = 14

// facts writes labelled values below each other, wrapped and aligned.
type facts struct {
	Look
	out strings.Builder
}

// add writes one labelled value of one or more lines; a value without lines is left out.
func (f *facts) add(label string, lines ...string) {
	for _, line := range lines {
		f.out.WriteString(pad("  "+label, column))
		for i, part := range wrap(line, f.Width-column) {
			if i > 0 {
				f.out.WriteString(strings.Repeat(" ", column))
			}
			f.out.WriteString(part + "\n")
		}
		label = ""
	}
}

// sentence writes a line of its own, wrapped, further lines indented.
func (f *facts) sentence(text string) {
	f.out.WriteString(strings.Join(wrap(text, f.Width-2), "\n  ") + "\n")
}

// paragraph writes indented text that may have several lines.
func (f *facts) paragraph(text string) {
	for line := range strings.Lines(text) {
		f.out.WriteString("  " + strings.Join(wrap(strings.TrimSpace(line), f.Width-2), "\n  ") + "\n")
	}
}

// narrowest is the width below which text is not wrapped any more: it would be words below each other.
const narrowest = 20

// wrap breaks text between words into lines of at most width characters, where words allow. A width below narrowest does
// not break at all.
func wrap(text string, width int) []string {
	if width < narrowest {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// pad fills text up with spaces to width characters; text that is as long or longer gets one, so that it never touches
// what follows.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 1))
}

// left is pad without the one space.
func left(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
}

// right is left with the spaces on the other side.
func right(text string, width int) string {
	return strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0)) + text
}
