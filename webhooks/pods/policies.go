package pods

import (
	"slices"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
)

// Policies holds every PodPolicy in the form in which it is applied. Each generation of a policy is compiled once. The zero value
// holds none; methods may be called concurrently.
type Policies struct {
	mu       sync.Mutex
	compiled map[string]compiled // by the policy's name
	current  atomic.Pointer[[]*podpolicy.Policy]
}

// compiled is one generation of a policy: the policy or, where it cannot be followed, the problem.
type compiled struct {
	uid        types.UID
	generation int64
	policy     *podpolicy.Policy
	problem    error
}

// Set takes a policy as it is now.
func (p *Policies) Set(policy *v1alpha1.PodPolicy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.compile(policy)
}

func (p *Policies) compile(policy *v1alpha1.PodPolicy) compiled {
	known, ok := p.compiled[policy.Name]
	if ok && known.uid == policy.UID && known.generation >= policy.Generation { // whoever tells may be behind
		return known
	}
	known = compiled{uid: policy.UID, generation: policy.Generation}
	known.policy, known.problem = podpolicy.Compile(policy)
	if p.compiled == nil {
		p.compiled = map[string]compiled{}
	}
	p.compiled[policy.Name] = known
	p.current.Store(nil)
	return known
}

// Delete forgets a policy.
func (p *Policies) Delete(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.compiled, name)
	p.current.Store(nil)
}

// Current returns the policies that can be followed, in the order in which they are applied. The slice is shared.
func (p *Policies) Current() []*podpolicy.Policy {
	if current := p.current.Load(); current != nil {
		return *current
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	current := make([]*podpolicy.Policy, 0, len(p.compiled))
	for _, c := range p.compiled {
		if c.problem == nil {
			current = append(current, c.policy)
		}
	}
	podpolicy.Sort(current)
	current = slices.Clip(current)
	p.current.Store(&current)
	return current
}

// version returns which generation of a policy is applied.
func (p *Policies) version(name string) (types.UID, int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.compiled[name]
	return known.uid, known.generation, ok
}

// Problem returns why a policy cannot be followed at all, or nil.
func (p *Policies) Problem(policy *v1alpha1.PodPolicy) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.compile(policy).problem
}
