package report

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// colours can be told apart by people who see few of them (Okabe and Ito); the last is for all that remain.
var colours = []string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"}

// Measures of the picture, in its own units.
const (
	svgWidth  = 960
	left      = 60
	plotWidth = 680
	panel     = 200
	gap       = 60
	top       = 50
)

// SVG draws three panels over time: what the queues use of the scarcest resource, their dominant shares beside what they
// are entitled to (dashed), and how many gangs wait. The queues that used most are drawn apart, the rest as one.
func SVG(w io.Writer, r Report) error {
	p := picture{report: r, end: r.Series.IntervalSeconds * float64(len(r.Series.Points))}
	p.choose()
	height := top + 3*(panel+gap)
	fmt.Fprintf(&p.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", svgWidth, height)
	fmt.Fprintf(&p.b, `<rect width="%d" height="%d" fill="white"/>`+"\n", svgWidth, height)
	p.use(top)
	p.shares(top + panel + gap)
	p.waiting(top + 2*(panel+gap))
	p.b.WriteString("</svg>\n")
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("writing the SVG: %w", err)
	}
	return nil
}

type picture struct {
	b      strings.Builder
	report Report
	end    float64 // seconds
	queues []int   // those that are drawn apart
	rest   []int   // those that are drawn as one
}

func (p *picture) choose() {
	for q := range p.report.Series.Queues {
		p.queues = append(p.queues, q)
	}
	share := func(q int) float64 { return p.report.Fairness.Queues[q].Share }
	slices.SortStableFunc(p.queues, func(a, b int) int {
		switch {
		case share(a) > share(b):
			return -1
		case share(a) < share(b):
			return 1
		}
		return 0
	})
	if most := len(colours) - 1; len(p.queues) > most {
		p.queues, p.rest = p.queues[:most], p.queues[most:]
	}
}

// frame draws the title and the axes of a panel whose values go from 0 to high.
func (p *picture) frame(y int, title string, high float64, unit string) {
	fmt.Fprintf(&p.b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, y-10, html.EscapeString(title))
	fmt.Fprintf(&p.b, `<path d="M%d %dV%dH%d" fill="none" stroke="black"/>`+"\n", left, y, y+panel, left+plotWidth)
	for i := range 5 {
		at := y + panel - panel*i/4
		fmt.Fprintf(&p.b, `<text x="%d" y="%d" text-anchor="end">%.4g%s</text>`+"\n", left-6, at+4, high*float64(i)/4, unit)
		fmt.Fprintf(&p.b, `<path d="M%d %dH%d" stroke="#ddd"/>`+"\n", left, at, left+plotWidth)
		x := left + plotWidth*i/4
		fmt.Fprintf(&p.b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x, y+panel+16, span(p.end*float64(i)/4))
	}
}

// legend names a colour beside a panel.
func (p *picture) legend(y, line int, colour, name string) {
	x := left + plotWidth + 20
	fmt.Fprintf(&p.b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`, x, y+18*line, colour)
	fmt.Fprintf(&p.b, `<text x="%d" y="%d">%s</text>`+"\n", x+18, y+18*line+10, html.EscapeString(name))
}

// line returns the points of a curve; values are from 0 to high.
func (p *picture) line(y int, high float64, value func(Point) float64) string {
	var points []string
	n := len(p.report.Series.Points)
	for i, point := range p.report.Series.Points {
		x := left + float64(plotWidth)*(float64(i)+0.5)/float64(n)
		points = append(points, fmt.Sprintf("%.1f,%.1f", x, float64(y+panel)-ratio(value(point), high)*panel))
	}
	return strings.Join(points, " ")
}

// use stacks what the queues use of the scarcest resource.
func (p *picture) use(y int) {
	if len(p.report.Use) == 0 {
		p.frame(y, "nothing was used", 1, "")
		return
	}
	scarce := p.report.Use[0].Resource
	high := 0.0
	for _, point := range p.report.Series.Points {
		high = max(high, point.Capacity[scarce])
	}
	p.frame(y, scarce+" used, by queue", high, "")
	groups, names := p.groups()
	for g := range slices.Backward(groups) { // the topmost first, so that the others cover its lower part
		curve := p.line(y, high, func(point Point) float64 {
			sum := 0.0
			for _, group := range groups[:g+1] {
				for _, q := range group {
					sum += point.Queues[q].Used[scarce]
				}
			}
			return sum
		})
		fmt.Fprintf(&p.b, `<polygon points="%d,%d %s %d,%d" fill="%s"/>`+"\n", left, y+panel, curve, left+plotWidth, y+panel, colours[g])
		p.legend(y, g, colours[g], names[g])
	}
}

// groups are the queues that have one colour each.
func (p *picture) groups() (groups [][]int, names []string) {
	for _, q := range p.queues {
		groups = append(groups, []int{q})
		names = append(names, p.report.Series.Queues[q])
	}
	if len(p.rest) > 0 {
		groups = append(groups, p.rest)
		names = append(names, fmt.Sprintf("%d other queues", len(p.rest)))
	}
	return groups, names
}

func (p *picture) shares(y int) {
	p.frame(y, "dominant share of each queue; dashed: what it is entitled to", 100, " %")
	for i, q := range p.queues {
		share := p.line(y, 1, func(point Point) float64 { return point.Queues[q].Share })
		fair := p.line(y, 1, func(point Point) float64 { return point.Queues[q].Fair })
		fmt.Fprintf(&p.b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", share, colours[i])
		fmt.Fprintf(&p.b, `<polyline points="%s" fill="none" stroke="%s" stroke-dasharray="4 3"/>`+"\n", fair, colours[i])
	}
	if mean := p.report.Fairness.MeanJain; mean != nil {
		fmt.Fprintf(&p.b, `<text x="%d" y="%d">Jain's index, mean</text><text x="%d" y="%d">of all intervals: %.3f</text>`+"\n",
			left+plotWidth+20, y+10, left+plotWidth+20, y+26, *mean)
	}
}

func (p *picture) waiting(y int) {
	high := 1.0
	for _, point := range p.report.Series.Points {
		high = max(high, point.Waiting)
	}
	p.frame(y, "gangs that wait", high, "")
	curve := p.line(y, high, func(point Point) float64 { return point.Waiting })
	fmt.Fprintf(&p.b, `<polyline points="%s" fill="none" stroke="black" stroke-width="1.5"/>`+"\n", curve)
}
