package demo

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"k8s.io/component-base/term"
)

// plainProgress is how often the progress line comes where it cannot be redrawn in place.
const plainProgress = 5 * time.Second

// colours are the ANSI colours of the verbs that stand out, and of the jobs' letters in turn.
var (
	colours = map[string]string{
		"start": "32", "grow": "32", "heal": "32", "finish": "36", "wait": "33", "lose": "35", "FAIL": "1;31", "PARTIAL": "1;31",
	}
	letterColours = []string{"34", "32", "35", "36", "33", "31", "94", "92", "95", "96", "93", "91"}
)

// margin is the room that the time takes on the left.
const margin = "         "

// jobLetters finds runs of one and the same job's letter. Nothing else on the map is in capitals.
var jobLetters = regexp.MustCompile(`A+|B+|C+|D+|E+|F+|G+|H+|I+|J+|K+|L+`)

// screen writes the story. On a terminal the progress and the map of the racks stay below it and are redrawn in place;
// elsewhere the progress is a line from time to time.
type screen struct {
	out   io.Writer
	width int // 0: not a terminal
	color bool
	// drawn is how many lines show has drawn below the story, last when it has last written a line elsewhere.
	drawn int
	last  time.Time
}

func newScreen(out io.Writer, now time.Time) *screen {
	s := &screen{out: out, last: now}
	if width, _, err := term.TerminalSize(out); err == nil && os.Getenv("TERM") != "dumb" {
		s.width = width
		s.color = os.Getenv("NO_COLOR") == ""
	}
	return s
}

// tell writes the events of the story.
func (s *screen) tell(lines []Line) {
	if len(lines) == 0 {
		return
	}
	s.erase()
	for _, l := range lines {
		verb := s.paint(colours[l.Verb], fmt.Sprintf("%-7s", l.Verb))
		fmt.Fprintf(s.out, "%6.1fs  %s  %-10s %s\n", l.At.Seconds(), verb, l.Job, l.Text)
	}
}

// show brings the progress up to date.
func (s *screen) show(at time.Time, b *Board) {
	progress := b.Progress(at)
	if s.width == 0 {
		if at.Sub(s.last) >= plainProgress {
			s.last = at
			fmt.Fprintf(s.out, "%6.1fs  %s\n", at.Sub(b.begin).Seconds(), progress)
		}
		return
	}
	s.erase()
	block := []string{""}
	for _, row := range b.Map() {
		block = append(block, margin+s.paintJobs(s.cut(row)))
	}
	block = append(block, margin+s.paintJobs(s.cut(b.Legend())),
		fmt.Sprintf("%6.1fs  ", at.Sub(b.begin).Seconds())+s.cut(progress))
	fmt.Fprintln(s.out, strings.Join(block, "\n"))
	s.drawn = len(block)
}

// erase takes away what show has drawn.
func (s *screen) erase() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// cut shortens what stands right of the margin so that it does not wrap: a wrapped line could not be erased.
func (s *screen) cut(line string) string {
	runes := []rune(line)
	if room := s.width - 1 - len(margin); len(runes) > room {
		return string(runes[:max(0, room)])
	}
	return line
}

func (s *screen) paint(colour, text string) string {
	if !s.color || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// paintJobs gives the letters of each job their colour, on the map and in its legend.
func (s *screen) paintJobs(row string) string {
	return jobLetters.ReplaceAllStringFunc(row, func(letters string) string {
		return s.paint(letterColours[int(letters[0]-'A')%len(letterColours)], letters)
	})
}
