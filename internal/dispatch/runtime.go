package dispatch

import "time"

// grain is how exact a run time is, by how long it is at most. Nobody says more exactly what a person has estimated, and a
// job that is taken to run longer than it says delays nobody for whom room is kept.
var grain = []struct{ upTo, step time.Duration }{
	{20 * time.Second, time.Second},
	{2 * time.Minute, 5 * time.Second},
	{10 * time.Minute, 15 * time.Second},
	{time.Hour, time.Minute},
	{2 * time.Hour, 5 * time.Minute},
	{8 * time.Hour, 15 * time.Minute},
	{48 * time.Hour, time.Hour},
}

// rounded rounds a run time up, by at most 5 seconds or an eighth.
func rounded(runtime time.Duration) time.Duration {
	step := 6 * time.Hour
	for _, g := range grain {
		if runtime <= g.upTo {
			step = g.step
			break
		}
	}
	if up := runtime.Truncate(step); up == runtime || up > runtime+step {
		return runtime
	} else if longer := up + step; longer > 0 {
		return longer
	}
	return runtime // Beyond what a duration can say.
}
