package report

import (
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
)

// Series is how things went, as means over intervals of equal length.
type Series struct {
	IntervalSeconds float64  `json:"intervalSeconds"`
	Queues          []string `json:"queues"`
	Points          []Point  `json:"points"`
}

// Point is one interval.
type Point struct {
	// At is when the interval begins.
	At       time.Time          `json:"at"`
	Used     map[string]float64 `json:"used"`
	Capacity map[string]float64 `json:"capacity"`
	// Waiting is how many gangs waited for their minimum.
	Waiting float64 `json:"waiting"`
	// Jain is Jain's index of fairness, (Σx)²/(n·Σx²), over the queues that had a gang waiting during the whole interval and
	// are entitled to anything; x is a queue's dominant share over its fair share. 1 is perfectly fair. Nil for fewer than
	// two such queues.
	Jain *float64 `json:"jain,omitempty"`
	// Queues has one entry for each of Series.Queues.
	Queues []QueuePoint `json:"queues"`
}

// QueuePoint is one queue in one interval.
type QueuePoint struct {
	Used map[string]float64 `json:"used"`
	// Share is the queue's dominant share: the largest part of any resource of the cluster that it used. Fair is the largest
	// part that it was entitled to.
	Share   float64 `json:"share"`
	Fair    float64 `json:"fairShare"`
	Waiting float64 `json:"waiting"`

	backlogged float64 // part of the interval in which a gang waited
}

// level is what a queue uses and wants at one moment.
type level struct {
	since   time.Time
	used    resource.Vector
	waiting int
}

func series(r simulate.Result, points int) Series {
	points = max(points, 1)
	width := max(r.End.Sub(r.Start)/time.Duration(points), time.Millisecond)
	s := Series{IntervalSeconds: width.Seconds(), Queues: r.Queues}
	for i := range points {
		p := Point{At: r.Start.Add(time.Duration(i) * width), Used: map[string]float64{}, Capacity: map[string]float64{}, Queues: make([]QueuePoint, len(r.Queues))}
		for q := range p.Queues {
			p.Queues[q].Used = map[string]float64{}
		}
		s.Points = append(s.Points, p)
	}
	c := cells{result: r, points: s.Points, width: width}
	c.fill()
	for i := range s.Points {
		c.finish(&s.Points[i])
	}
	return s
}

// cells integrates steps over the intervals of a series.
type cells struct {
	result simulate.Result
	points []Point
	width  time.Duration
}

func (c *cells) fill() {
	r := c.result
	levels := make([]level, len(r.Queues))
	for q := range levels {
		levels[q] = level{since: r.Start, used: make(resource.Vector, r.Table.Len())}
	}
	for _, change := range r.Changes {
		l := &levels[change.Queue]
		c.spend(int(change.Queue), *l, change.At)
		l.since = change.At
		l.waiting += change.Waiting
		if change.Used != nil {
			l.used.Add(change.Used)
		}
	}
	end := r.Start.Add(c.width * time.Duration(len(c.points)))
	for q, l := range levels {
		c.spend(q, l, end)
	}
	for i, shares := range r.Shares {
		until := end
		if i+1 < len(r.Shares) {
			until = r.Shares[i+1].At
		}
		c.each(shares.At, until, func(p *Point, part float64) {
			for name, amount := range shares.Capacity {
				p.Capacity[name] += float64(amount) * part
			}
			for q, fair := range shares.Fair {
				p.Queues[q].Fair += dominant(fair, shares.Capacity) * part
			}
		})
	}
}

// spend adds the time that a queue spent at a level.
func (c *cells) spend(queue int, l level, until time.Time) {
	idle := l.waiting == 0
	for _, amount := range l.used {
		idle = idle && amount == 0
	}
	if idle {
		return
	}
	c.each(l.since, until, func(p *Point, part float64) {
		q := &p.Queues[queue]
		for d, amount := range l.used {
			if amount != 0 {
				q.Used[c.result.Table.Name(d)] += float64(amount) * part
			}
		}
		q.Waiting += float64(l.waiting) * part
		if l.waiting > 0 {
			q.backlogged += part
		}
	})
}

// each calls spend for every interval that a span of time touches, with how much of the interval it covers.
func (c *cells) each(from, until time.Time, spend func(p *Point, part float64)) {
	start := c.result.Start
	first := int(max(from.Sub(start), 0) / c.width)
	for i := first; i < len(c.points); i++ {
		low, high := start.Add(time.Duration(i)*c.width), start.Add(time.Duration(i+1)*c.width)
		if !low.Before(until) {
			return
		}
		if from.After(low) {
			low = from
		}
		if until.Before(high) {
			high = until
		}
		if part := high.Sub(low); part > 0 {
			spend(&c.points[i], float64(part)/float64(c.width))
		}
	}
}

func (c *cells) finish(p *Point) {
	var n, sum, squares float64
	for q := range p.Queues {
		queue := &p.Queues[q]
		p.Waiting += queue.Waiting
		for name, used := range queue.Used {
			p.Used[name] += used
			queue.Share = max(queue.Share, ratio(used, p.Capacity[name]))
		}
		if queue.backlogged > 0.999 && queue.Fair > 0 {
			x := queue.Share / queue.Fair
			n, sum, squares = n+1, sum+x, squares+x*x
		}
	}
	if n >= 2 && squares > 0 {
		jain := sum * sum / (n * squares)
		p.Jain = &jain
	}
}

// dominant is the largest part of any resource of the whole that some amounts are.
func dominant(amounts, whole resource.Amounts) float64 {
	var share float64
	for name, amount := range amounts {
		share = max(share, ratio(float64(amount), float64(whole[name])))
	}
	return share
}

// Fairness sums up the series.
type Fairness struct {
	// MeanJain and WorstJain are over the intervals in which at least two queues waited; nil where there is none.
	MeanJain  *float64     `json:"meanJain,omitempty"`
	WorstJain *float64     `json:"worstJain,omitempty"`
	Queues    []QueueShare `json:"queues"`
}

// QueueShare is what a queue had over the whole time.
type QueueShare struct {
	Queue string  `json:"queue"`
	Share float64 `json:"share"`
	Fair  float64 `json:"fairShare"`
	// ShareWhenWaiting is the share over the intervals in which one of its gangs waited all the time, FairWhenWaiting what it
	// was entitled to then; both 0 where there is none.
	ShareWhenWaiting float64 `json:"shareWhenWaiting"`
	FairWhenWaiting  float64 `json:"fairShareWhenWaiting"`
}

func fairness(s Series) Fairness {
	f := Fairness{}
	var indices []float64
	for _, p := range s.Points {
		if p.Jain != nil {
			indices = append(indices, *p.Jain)
		}
	}
	if len(indices) > 0 {
		mean, worst := 0.0, 1.0
		for _, x := range indices {
			mean += x / float64(len(indices))
			worst = min(worst, x)
		}
		f.MeanJain, f.WorstJain = &mean, &worst
	}
	for q, name := range s.Queues {
		share := QueueShare{Queue: name}
		var waiting float64
		for _, p := range s.Points {
			share.Share += p.Queues[q].Share / float64(len(s.Points))
			share.Fair += p.Queues[q].Fair / float64(len(s.Points))
			if p.Queues[q].backlogged > 0.999 {
				waiting++
				share.ShareWhenWaiting += p.Queues[q].Share
				share.FairWhenWaiting += p.Queues[q].Fair
			}
		}
		share.ShareWhenWaiting, share.FairWhenWaiting = ratio(share.ShareWhenWaiting, waiting), ratio(share.FairWhenWaiting, waiting)
		f.Queues = append(f.Queues, share)
	}
	return f
}
