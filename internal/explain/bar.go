package explain

import (
	"math"
	"strings"
)

// amounts of one resource that a bar shows.
type levels struct {
	used, guarantee, share int64
	limit                  int64 // math.MaxInt64: none
}

// signs are the characters of a bar.
type signs struct {
	covered, beyond, spare, open, share, limit rune
}

var (
	fineSigns  = signs{covered: '█', beyond: '▓', spare: '░', open: '·', share: '│', limit: '▌'}
	plainSigns = signs{covered: '#', beyond: '+', spare: '-', open: '.', share: '|', limit: ']'}
)

func (l Look) signs() signs {
	if l.Unicode {
		return fineSigns
	}
	return plainSigns
}

// legend explains the signs of a bar, after an empty line.
func (l Look) legend() string {
	s := l.signs()
	text := strings.Join([]string{
		string(s.covered) + " used within the guarantee", string(s.beyond) + " used beyond it",
		string(s.spare) + " guaranteed and unused", string(s.share) + " fair share", string(s.limit) + " limit",
	}, ", ")
	return "\n" + strings.Join(wrap(text, l.Width), "\n") + "\n"
}

// bar draws the levels of a queue on a scale from 0 to full, in width characters. What is in use covers what may be
// used, the marks of the fair share and the limit cover both. Behind the limit there is nothing.
func bar(l levels, full int64, width int, s signs) string {
	used, guarantee, limit := cells(l.used, full, width), cells(l.guarantee, full, width), cells(l.limit, full, width)
	line := make([]rune, width)
	for i := range line {
		switch {
		case i < used && i < guarantee:
			line[i] = s.covered
		case i < used:
			line[i] = s.beyond
		case i < guarantee:
			line[i] = s.spare
		case i < limit:
			line[i] = s.open
		default:
			line[i] = ' '
		}
	}
	if share := cells(l.share, full, width); share > 0 {
		line[share-1] = s.share
	}
	if l.limit < math.MaxInt64 && width > 0 {
		line[max(limit, 1)-1] = s.limit
	}
	return string(line)
}

// cells is how many characters of width an amount takes. Only nothing takes none, and only what is full takes all.
func cells(amount, full int64, width int) int {
	switch {
	case amount <= 0 || full <= 0:
		return 0
	case amount >= full:
		return width
	}
	exact := float64(amount) / float64(full) * float64(width)
	return min(max(int(math.Round(exact)), 1), max(width-1, 0))
}
