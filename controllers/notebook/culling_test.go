package notebook

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

func TestJudge(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	var unset time.Time
	tests := []struct {
		name              string
		started, recorded time.Time
		idle              time.Duration
		a                 activity
		last              time.Time
		stop              bool
	}{
		{"nothing known", ago(50 * time.Hour), unset, time.Hour, activity{}, unset, false},
		{"nothing known any more", ago(50 * time.Hour), ago(40 * time.Hour), time.Hour, activity{}, ago(40 * time.Hour), false},
		{"never used, just started", ago(time.Minute), unset, time.Hour, activity{known: true}, ago(time.Minute), false},
		{"never used", ago(time.Hour), unset, time.Hour, activity{known: true}, ago(time.Hour), true},
		{"used a moment ago", ago(50 * time.Hour), ago(2 * time.Hour), time.Hour, activity{known: true, last: ago(time.Minute)}, ago(time.Minute), false},
		{"the last kernel is gone", ago(50 * time.Hour), ago(time.Minute), time.Hour, activity{known: true}, ago(time.Minute), false},
		{"idle", ago(50 * time.Hour), ago(2 * time.Hour), time.Hour, activity{known: true, last: ago(3 * time.Hour)}, ago(2 * time.Hour), true},
		{"busy for days", ago(50 * time.Hour), ago(40 * time.Hour), time.Hour, activity{known: true, busy: true, last: ago(40 * time.Hour)}, noon, false},
		{"restarted", ago(time.Minute), ago(40 * time.Hour), time.Hour, activity{known: true, last: ago(40 * time.Hour)}, ago(time.Minute), false},
		{"never to be stopped", ago(5000 * time.Hour), unset, 0, activity{known: true}, ago(5000 * time.Hour), false},
		{"its clock is ahead", ago(50 * time.Hour), unset, time.Hour, activity{known: true, last: noon.Add(time.Hour)}, noon, false},
		{"a record from the future", ago(50 * time.Hour), noon.Add(time.Hour), time.Hour, activity{known: true}, noon, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := judge(noon, tt.started, tt.recorded, tt.idle, tt.a)
			if !v.last.Equal(tt.last) || v.idle != tt.stop {
				t.Errorf("got %+v, want %v %v", v, tt.last, tt.stop)
			}
		})
	}
}

// A notebook is stopped only if its server has told, nothing runs, and every sign of life is as old as its idle time.
func TestJudgeStopsOnlyWhatIsIdle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return noon.Add(time.Duration(rapid.IntRange(-200, 10).Draw(t, "minutes")) * time.Minute)
		})
		started, recorded := moment.Draw(t, "started"), moment.Draw(t, "recorded")
		a := activity{known: rapid.Bool().Draw(t, "known"), busy: rapid.Bool().Draw(t, "busy"), last: moment.Draw(t, "last")}
		idle := time.Duration(rapid.IntRange(0, 100).Draw(t, "idle")) * time.Minute
		v := judge(noon, started, recorded, idle, a)
		limit := noon.Add(-idle)
		want := idle > 0 && a.known && !a.busy && !started.After(limit) && !recorded.After(limit) && !a.last.After(limit)
		if v.idle != want {
			t.Fatalf("stopped: %v, want %v", v.idle, want)
		}
		if a.known && v.last.After(noon) {
			t.Fatalf("the last activity is yet to come: %v", v.last)
		}
	})
}

func TestIdleTime(t *testing.T) {
	tests := []struct {
		name, notebook, pod string
		want                time.Duration
		wrong               bool
	}{
		{"neither says", "", "", 24 * time.Hour, false},
		{"the notebook says", "90m", "", 90 * time.Minute, false},
		{"the pod says, for a policy has told it so", "", "30m", 30 * time.Minute, false},
		{"both say", "90m", "30m", 90 * time.Minute, false},
		{"never", "never", "30m", 0, false},
		{"no unit", "120", "", 0, true},
		{"at once", "0s", "", 0, true},
		{"negative", "-1h", "", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nb := plain(t)
			pod := runningPod(nb, noon)
			if tt.notebook != "" {
				nb.Annotations = map[string]string{notebookv1.IdleTimeAnnotation: tt.notebook}
			}
			if tt.pod != "" {
				pod.Annotations = map[string]string{notebookv1.IdleTimeAnnotation: tt.pod}
			}
			got, err := idleTime(testConfig(), nb, pod)
			if got != tt.want || (err != nil) != tt.wrong {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"default":   func(*Config) {},
		"off":       func(c *Config) { *c = Config{} },
		"a gateway": func(c *Config) { c.URL = "https://gateway:8443/{namespace}/{name}/" },
	} {
		c := testConfig()
		edit(&c)
		if err := c.validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, want := testConfig().address("team", "nb"), "http://nb.team.svc.cluster.local"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, edit := range map[string]func(*Config){
		"no idle time": func(c *Config) { c.IdleTime = 0 },
		"no period":    func(c *Config) { c.CheckPeriod = 0 },
		"one for all":  func(c *Config) { c.URL = "http://notebooks" },
		"a file":       func(c *Config) { c.URL = "file:///{namespace}/{name}" },
		"not a URL":    func(c *Config) { c.URL = "http://{namespace} {name}" },
		"no host":      func(c *Config) { c.URL = "http:///{namespace}/{name}" },
	} {
		c := testConfig()
		edit(&c)
		if err := c.validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
