package reservation

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func after(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func TestExpectedEnd(t *testing.T) {
	for name, test := range map[string]struct {
		start   time.Time
		runtime time.Duration
		want    time.Time
	}{
		"unknown run time":         {after(-5), 0, time.Time{}},
		"negative run time":        {after(-5), -time.Hour, time.Time{}},
		"under way":                {after(-5), 8 * time.Minute, after(3)},
		"due right now":            {after(-5), 5 * time.Minute, after(1)},
		"overdue by little":        {after(-5), 5*time.Minute - time.Second, after(1)},
		"overdue by much":          {after(-50), 10 * time.Minute, after(40)},
		"not started":              {time.Time{}, 10 * time.Minute, after(10)},
		"started in the future":    {after(60), 10 * time.Minute, after(10)},
		"as long as there is time": {after(-5), 1<<63 - 1, after(-5).Add(1<<63 - 1)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ExpectedEnd(test.start, test.runtime, noon); !got.Equal(test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
