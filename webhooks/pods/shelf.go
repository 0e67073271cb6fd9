package pods

import (
	"maps"
	"sync"
	"sync/atomic"
)

// shelf is a map that is read for every pod and changed rarely: readers get it whole, and nobody changes it under them.
type shelf[V comparable] struct {
	mu      sync.Mutex
	content atomic.Pointer[map[string]V]
}

// all returns the map. It is shared.
func (s *shelf[V]) all() map[string]V {
	if content := s.content.Load(); content != nil {
		return *content
	}
	return nil
}

func (s *shelf[V]) put(name string, value V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.all()[name]; ok && known == value {
		return
	}
	changed := maps.Clone(s.all())
	if changed == nil {
		changed = map[string]V{}
	}
	changed[name] = value
	s.content.Store(&changed)
}

func (s *shelf[V]) take(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := maps.Clone(s.all())
	delete(changed, name)
	s.content.Store(&changed)
}
