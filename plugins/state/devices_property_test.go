package state

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
)

// sharing is a history of pods of two queues that share claims.
type sharing struct {
	r *Registry
	// claims are the devices of each claim that exists.
	claims map[string]int64
	// waiting and running are the pods by name; running ones in the order in which they came to run.
	waiting map[string]*corev1.Pod
	running []*corev1.Pod
	made    int
}

// Whatever comes and goes in whatever order, a claim is charged once while any pod that uses it runs: to the queue of the one
// that has used it for longest. Who waits asks for the claims that nobody is charged for.
func TestClaimsAreChargedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &sharing{claims: map[string]int64{}, waiting: map[string]*corev1.Pod{}}
		s.r = NewRegistry(func() time.Time { return epoch }, dispatch.Options{})
		for _, q := range []*schedulingv1alpha1.Queue{queue("root", ""), below(queue("a", ""), "root"), below(queue("b", ""), "root")} {
			if _, err := s.r.SetQueue(q); err != nil {
				t.Fatal(err)
			}
		}
		name := rapid.SampledFrom([]string{"0", "1", "2", "3"})
		t.Repeat(map[string]func(*rapid.T){
			"claim": func(t *rapid.T) {
				claim := name.Draw(t, "claim")
				s.claims[claim] = rapid.Int64Range(1, 5).Draw(t, "devices")
				s.r.SetResourceClaim(gpuClaim(claim, s.claims[claim]))
			},
			"unclaim": func(t *rapid.T) {
				claim := name.Draw(t, "claim")
				delete(s.claims, claim)
				s.r.DeleteResourceClaim("ns", claim)
			},
			"come": func(t *rapid.T) {
				p := using(pod("", fmt.Sprint("pod-", s.made)), rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "claims")...)
				p.Labels[schedulingv1alpha1.QueueLabel] = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "queue")
				s.made++
				s.waiting[p.Name] = p
				s.r.SetPod(p)
			},
			"run": func(t *rapid.T) {
				if p := s.anyWaiting(t); p != nil {
					delete(s.waiting, p.Name)
					s.running = append(s.running, on(p, "n"))
					set(s.r, on(p, "n"))
				}
			},
			"go": func(t *rapid.T) {
				if p := s.anyWaiting(t); p != nil && rapid.Bool().Draw(t, "waiting") {
					delete(s.waiting, p.Name)
					drop(s.r, p)
				} else if len(s.running) > 0 {
					at := rapid.IntRange(0, len(s.running)-1).Draw(t, "which")
					drop(s.r, s.running[at])
					s.running = slices.Delete(s.running, at, at+1)
				}
			},
			"move": func(t *rapid.T) {
				if len(s.running) > 0 {
					at := rapid.IntRange(0, len(s.running)-1).Draw(t, "which")
					p := s.running[at].DeepCopy()
					p.Labels[schedulingv1alpha1.QueueLabel] = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "queue")
					s.running[at] = p
					set(s.r, p)
				}
			},
			"": s.check,
		})
	})
}

func (s *sharing) anyWaiting(t *rapid.T) *corev1.Pod {
	if len(s.waiting) == 0 {
		return nil
	}
	var names []string
	for name := range s.waiting {
		names = append(names, name)
	}
	slices.Sort(names)
	return s.waiting[rapid.SampledFrom(names).Draw(t, "pod")]
}

func uses(p *corev1.Pod, claim string) bool {
	return slices.ContainsFunc(p.Spec.ResourceClaims, func(c corev1.PodResourceClaim) bool { return c.Name == claim })
}

// check charges all claims anew.
func (s *sharing) check(t *rapid.T) {
	want, charged := map[string]int64{}, map[string]bool{}
	for claim, devices := range s.claims {
		if at := slices.IndexFunc(s.running, func(p *corev1.Pod) bool { return uses(p, claim) }); at >= 0 {
			charged[claim] = true
			want[s.running[at].Labels[schedulingv1alpha1.QueueLabel]] += devices
			want["root"] += devices
		}
	}
	for _, queue := range []string{"root", "a", "b"} {
		if got := s.r.line.Ledger.Usage(queue)[gpus]; got != want[queue] {
			t.Fatalf("queue %s uses %d devices, want %d", queue, got, want[queue])
		}
	}
	for name, p := range s.waiting {
		known := !slices.ContainsFunc(p.Spec.ResourceClaims, func(c corev1.PodResourceClaim) bool { return s.claims[c.Name] == 0 })
		if stands := s.r.gangs[KeyOf(p)].claim != nil; stands != known {
			t.Fatalf("pod %s stands in the line: %t, all its claims exist: %t", name, stands, known)
		}
	}
	for queue, first := range s.r.line.Firsts() {
		asked := int64(0)
		for _, c := range s.r.claims[first.ID].e.pods(ready)[0].Spec.ResourceClaims {
			if !charged[c.Name] {
				asked += s.claims[c.Name]
			}
		}
		if first.Amount[gpus] != asked {
			t.Fatalf("the first of queue %s asks for %d devices, want %d", queue, first.Amount[gpus], asked)
		}
	}
	for name, c := range s.r.devices {
		if s.claims[name.Name] == 0 && len(c.members) == 0 {
			t.Fatalf("claim %s is remembered, though it is gone and nobody names it", name)
		}
	}
}
