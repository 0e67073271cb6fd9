package owners

import (
	"context"
	"errors"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// fresh is how long an owner is as it was read. The pods of a job come at once, so one read does for most of them; a label that
	// is put on an owner counts after so long.
	fresh = 10 * time.Second

	// unreadable is how long a kind that could not be read is not tried again.
	unreadable = time.Minute

	// most is how many owners are remembered. They come and go: when there are more, those that are no longer fresh are forgotten.
	most = 4096
)

// Walker walks from pods to their owners. It asks the API server, and remembers the answers for some seconds: a job that was created
// a moment ago is found, whoever watches it, and no kind has to be watched for its pods' sake. It may be used concurrently.
type Walker struct {
	live client.Reader
	now  func() time.Time

	mu     sync.Mutex
	known  map[types.UID]*answer
	closed map[schema.GroupKind]time.Time // kinds that could not be read, and until when they are not tried
}

// answer is an owner that is being read, or was.
type answer struct {
	done  chan struct{} // closed when the rest is there
	at    time.Time
	owner *node
	err   error
}

// NewWalker makes a walker that reads with live, which should not be a cache.
func NewWalker(live client.Reader) *Walker {
	return &Walker{live: live, now: time.Now, known: map[types.UID]*answer{}, closed: map[schema.GroupKind]time.Time{}}
}

// read returns an owner; nil where there is none, or none that may be read.
func (w *Walker) read(ctx context.Context, namespace string, reference metav1.OwnerReference) (*node, error) {
	kind := schema.FromAPIVersionAndKind(reference.APIVersion, reference.Kind).GroupKind()
	a, mine := w.ask(kind, reference.UID)
	if a == nil {
		return nil, nil
	}
	if !mine {
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if a.err == nil || errors.Is(a.err, errUnreadable) {
			return a.owner, nil
		}
		// Whoever asked may have had no time left; this one has.
		owner, err := fetch(ctx, w.live, namespace, reference)
		if errors.Is(err, errUnreadable) {
			return nil, nil
		}
		return owner, err
	}
	a.owner, a.err = fetch(ctx, w.live, namespace, reference)
	w.answered(kind, reference.UID, a)
	if errors.Is(a.err, errUnreadable) {
		return nil, nil
	}
	return a.owner, a.err
}

// ask returns the answer about an owner, and whether it is the caller's to give; nil where its kind cannot be read.
func (w *Walker) ask(kind schema.GroupKind, uid types.UID) (a *answer, mine bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if until, closed := w.closed[kind]; closed && now.Before(until) {
		return nil, false
	}
	if a = w.known[uid]; a != nil && now.Sub(a.at) < fresh {
		return a, false
	}
	if len(w.known) >= most {
		for other, old := range w.known {
			if now.Sub(old.at) >= fresh {
				delete(w.known, other)
			}
		}
	}
	a = &answer{done: make(chan struct{}), at: now}
	if len(w.known) < most {
		w.known[uid] = a
	}
	return a, true
}

// answered tells those who wait, and forgets what is no use to others.
func (w *Walker) answered(kind schema.GroupKind, uid types.UID, a *answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(a.err, errUnreadable) {
		w.closed[kind] = w.now().Add(unreadable)
	}
	if (a.err != nil || a.owner == nil) && w.known[uid] == a {
		delete(w.known, uid)
	}
	close(a.done)
}
