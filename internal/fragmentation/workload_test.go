package fragmentation

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func (w *Workload) weight(d Demand) float64 {
	for _, s := range w.shapes {
		if s.Demand == d {
			return s.weight
		}
	}
	return 0
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestThePastFades(t *testing.T) {
	w := NewWorkload(time.Hour)
	w.Observe(gpus(1, 1), 8, epoch)
	w.Observe(gpus(1, 2), 1, epoch.Add(2*time.Hour))
	if got := w.weight(gpus(1, 1)); !near(got, 2) {
		t.Errorf("8 pods weigh %v after two half-lives, want 2", got)
	}
	w.Observe(gpus(1, 2), 1, epoch) // the clock was set back
	if got := w.weight(gpus(1, 1)); !near(got, 2) {
		t.Errorf("they weigh %v once the clock was set back, want 2", got)
	}
	w.Observe(gpus(1, 2), 1, epoch.Add(14*time.Hour))
	if len(w.shapes) != 1 {
		t.Errorf("%d shapes after 14 half-lives, want one", len(w.shapes))
	}
	w.Mix(epoch.Add(1000 * time.Hour))
	if len(w.shapes) != 0 {
		t.Errorf("%d shapes after 1000 half-lives, want none", len(w.shapes))
	}
}

func TestPodsWithoutGPUAreNotLearned(t *testing.T) {
	w := NewWorkload(0)
	w.Observe(Demand{CPU: 5, Memory: 5}, 9, epoch)
	w.Observe(gpus(1, 1), 0, epoch)
	w.Observe(gpus(1, 1), -5, epoch)
	if len(w.shapes) != 0 {
		t.Errorf("learned %+v", w.shapes)
	}
}

// Of too many shapes the lightest are counted as their likes, so that no pod gets lost while its number of GPUs is known.
func TestShapesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := NewWorkload(0)
		pods := 0
		for range rapid.IntRange(1, 300).Draw(t, "observations") {
			n := rapid.IntRange(1, 5).Draw(t, "pods")
			pods += n
			w.Observe(gpus(rapid.Int64Range(1, 100).Draw(t, "cpu"), rapid.Int64Range(1, 2).Draw(t, "gpus")), n, epoch)
		}
		sum := 0.0
		for _, s := range w.shapes {
			sum += s.weight
		}
		if len(w.shapes) > MaxShapes || !near(sum, float64(pods)) {
			t.Fatalf("%d shapes of %v pods, want at most %d of %d", len(w.shapes), sum, MaxShapes, pods)
		}
	})
	w := NewWorkload(0)
	w.Observe(gpus(100, 8), 1, epoch)
	for i := range int64(100) {
		w.Observe(gpus(i, 1), 2, epoch)
	}
	if w.weight(gpus(100, 8)) != 1 {
		t.Error("a pod of 8 GPUs was forgotten for two of one")
	}
}

// A mix and its prices are kept while little changes.
func TestMixIsKept(t *testing.T) {
	w := NewWorkload(time.Hour)
	w.Observe(gpus(1, 1), 100, epoch)
	first := w.Mix(epoch)
	w.Observe(gpus(2, 2), 10, epoch)
	if w.Mix(epoch) != first || w.Mix(epoch.Add(3*time.Hour)) != first {
		t.Error("another mix, though the shares have hardly changed")
	}
	if w.Mix(epoch, Waiting{gpus(2, 2), 5}) == first {
		t.Error("the same mix with 15 of 115 pods of another shape")
	}
	if w.Mix(epoch.Add(1000*time.Hour)) == first {
		t.Error("the same mix once everything is forgotten")
	}
}

// Of very many shapes that wait, those that ask for most are looked at.
func TestManyShapesWait(t *testing.T) {
	var waiting []Waiting
	for i := range int64(5000) {
		waiting = append(waiting, Waiting{gpus(i, 1), 1})
	}
	waiting = append(waiting, Waiting{gpus(7, 8), 1})
	m := NewWorkload(0).Mix(epoch, waiting...)
	if len(m.shapes) > MaxShapes {
		t.Errorf("%d shapes, want at most %d", len(m.shapes), MaxShapes)
	}
	if k := m.kinds["gpu"]; k.large[0] != gpus(7, 8) || k.care[0] == 0 {
		t.Errorf("the pod of 8 GPUs is not among %+v", k.large)
	}
}

// All streams together have each shape as often as its share says, and each stream about as often.
func TestStreamsLookLikeTheWorkload(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var waiting []Waiting
		pods := 0
		for i := range rapid.Int64Range(1, 10).Draw(t, "shapes") {
			n := rapid.IntRange(1, 50).Draw(t, "pods")
			pods += n
			waiting = append(waiting, Waiting{gpus(i, 1+i%3), n})
		}
		k := seen(waiting...).kinds["gpu"]
		all, length := make([]int, len(waiting)), len(k.streams[0])
		for _, stream := range k.streams {
			one := make([]int, len(waiting))
			for _, i := range stream {
				one[i]++
				all[i]++
			}
			for i, w := range waiting {
				if want := float64(w.Pods*length) / float64(pods); math.Abs(float64(one[i])-want) >= 2 {
					t.Fatalf("%d of %d pods in a stream are of a shape that has %d of %d", one[i], length, w.Pods, pods)
				}
			}
		}
		for i, w := range waiting {
			if want := float64(w.Pods*length*streams) / float64(pods); math.Abs(float64(all[i])-want) > 1 {
				t.Fatalf("%d of %d pods in all streams are of a shape that has %d of %d", all[i], length*streams, w.Pods, pods)
			}
		}
	})
}
