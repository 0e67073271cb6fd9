package state

import (
	"cmp"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// order is a pod's place in the scheduling queue. It is frozen when the pod enters, so that the queue's heap stays a
// heap whatever happens meanwhile.
type order struct {
	// committing members go before everybody else, in the plan's sequence: nothing may come between plan and commit.
	committing bool
	sequence   int
	// question is set for a pod that only stands for a question.
	question bool
	priority int32
	// mending is set for a gang that runs below its minimum: it goes before newer gangs of equal priority.
	mending bool
	born    int64
	gang    Key
	uid     types.UID
}

func (a order) compare(b order) int {
	return cmp.Or(
		-compareBool(a.committing, b.committing),
		cmp.Compare(a.sequence, b.sequence),
		-cmp.Compare(a.priority, b.priority),
		-compareBool(a.mending, b.mending),
		cmp.Compare(a.born, b.born),
		cmp.Compare(a.gang.Namespace, b.gang.Namespace),
		cmp.Compare(a.gang.Name, b.gang.Name),
		cmp.Compare(a.uid, b.uid),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func orderOfPod(pod *corev1.Pod) order {
	return order{
		priority: priorityOf(pod),
		born:     pod.CreationTimestamp.UnixNano(),
		gang:     Key{Namespace: pod.Namespace, Name: pod.Name},
		uid:      pod.UID,
	}
}

func (e *entry) order(pod *corev1.Pod) order {
	return order{priority: e.priority(), mending: e.broken(), born: e.born.UnixNano(), gang: e.key, uid: pod.UID}
}

// orderBook remembers the frozen order of every pod that entered the queue. It has a lock of its own because the queue
// reads it for each comparison of its heap.
type orderBook struct {
	mu      *sync.RWMutex
	of      map[types.UID]order
	retired map[types.UID]time.Time
}

func newOrderBook() orderBook {
	return orderBook{mu: &sync.RWMutex{}, of: map[types.UID]order{}, retired: map[types.UID]time.Time{}}
}

func (b orderBook) freeze(uid types.UID, o order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.uid = uid
	b.of[uid] = o
}

// retire marks the order of a pod that is gone for removal. It is kept a while, since the queue may still hold the pod.
func (b orderBook) retire(uid types.UID, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.of[uid]; known {
		b.retired[uid] = now
	}
}

// sweep forgets what was retired before a time.
func (b orderBook) sweep(before time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for uid, at := range b.retired {
		if at.Before(before) {
			delete(b.of, uid)
			delete(b.retired, uid)
		}
	}
}

// Less reports whether pod a goes before pod b in the scheduling queue. It is a total order on what was frozen when the
// pods were admitted: no clock, no client and nothing that changes is read.
func (r *Registry) Less(a, b *corev1.Pod) bool {
	r.order.mu.RLock()
	defer r.order.mu.RUnlock()
	return r.order.get(a).compare(r.order.get(b)) < 0
}

func (b orderBook) get(pod *corev1.Pod) order {
	if o, known := b.of[pod.UID]; known {
		return o
	}
	return orderOfPod(pod)
}
