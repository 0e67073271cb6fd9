package state

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/internal/numa"
)

// layoutKind is the ecosystem's kind in which agents on the nodes report how they are laid out. It is read without its Go
// types: one amount that cannot be read must not hide all other objects.
var layoutKind = schema.GroupVersionResource{Group: "topology.node.k8s.io", Version: "v1alpha2", Resource: "noderesourcetopologies"}

// reopenPeriod is how often at most gangs are tried again because layouts have changed. Agents report with every pod that
// starts or ends.
const reopenPeriod = time.Second

// layouts are the layouts of the nodes that report one.
type layouts struct {
	mu     sync.RWMutex
	byNode map[string]*numa.Layout
	strict int
	// changed holds a token while gangs have not been tried since a change.
	changed chan struct{}
}

// Layout is what a node reports of its NUMA nodes and NVLink islands; nil where it reports nothing. Nobody may change it.
func (s *Store) Layout(node string) *numa.Layout {
	s.layouts.mu.RLock()
	defer s.layouts.mu.RUnlock()
	return s.layouts.byNode[node]
}

// HasStrictLayouts reports whether the kubelet of any node refuses pods that it cannot align.
func (s *Store) HasStrictLayouts() bool {
	s.layouts.mu.RLock()
	defer s.layouts.mu.RUnlock()
	return s.layouts.strict > 0
}

// SetLayout takes note of what a node reports, as the content of a NodeResourceTopology; nil where it reports nothing any more.
func (s *Store) SetLayout(node string, object map[string]any) {
	if object == nil {
		s.layouts.set(node, nil)
	} else {
		s.layouts.set(node, layoutOf(object))
	}
}

func (l *layouts) set(node string, layout *numa.Layout) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.byNode[node]
	if reflect.DeepEqual(old, layout) {
		return
	}
	if old != nil && old.Policy.Strict() {
		l.strict--
	}
	delete(l.byNode, node)
	if layout != nil {
		if l.byNode == nil {
			l.byNode = map[string]*numa.Layout{}
		}
		l.byNode[node] = layout
		if layout.Policy.Strict() {
			l.strict++
		}
	}
	select {
	case l.changed <- struct{}{}:
	default: // They have not been tried since the last change.
	}
}

// watchLayouts watches the layouts of nodes. Where a cluster does not have the kind, there are none, and that is no error;
// they come in once it has.
func (s *Store) watchLayouts(ctx context.Context) error {
	s.layouts.changed = make(chan struct{}, 1)
	client, err := dynamic.NewForConfig(s.handle.KubeConfig())
	if err != nil {
		return err
	}
	informer := dynamicinformer.NewFilteredDynamicInformer(client, layoutKind, metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()
	var absent atomic.Bool
	err = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, r *cache.Reflector, err error) {
		// Whoever may not read them does without, too, but is told so.
		absent.Store(apierrors.IsNotFound(err) || apierrors.IsForbidden(err))
		if apierrors.IsNotFound(err) {
			klog.FromContext(ctx).V(4).Info("The cluster has no NodeResourceTopologies")
			return
		}
		cache.DefaultWatchErrorHandler(ctx, r, err)
	})
	if err != nil {
		return err
	}
	if err := informer.SetTransform(withoutManagedFields); err != nil {
		return err
	}
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.told(obj, true) },
		UpdateFunc: func(_, obj any) { s.told(obj, true) },
		DeleteFunc: func(obj any) { s.told(lastState(obj), false) },
	})
	if err != nil {
		return err
	}
	s.synced = append(s.synced, func() bool { return absent.Load() || registration.HasSynced() })
	go informer.RunWithContext(ctx)
	go s.retryOnNewLayouts(ctx)
	return nil
}

// told takes note of an object that the informer tells of.
func (s *Store) told(obj any, exists bool) {
	switch object, ok := obj.(*unstructured.Unstructured); {
	case ok && exists:
		s.SetLayout(object.GetName(), object.Object)
	case ok:
		s.SetLayout(object.GetName(), nil)
	}
}

// retryOnNewLayouts lets gangs be tried again when layouts have changed.
func (s *Store) retryOnNewLayouts(ctx context.Context) {
	pause := time.NewTicker(reopenPeriod)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.layouts.changed:
			s.Apply(ctx, s.Reopen())
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// withoutManagedFields drops what nobody reads.
func withoutManagedFields(obj any) (any, error) {
	if object, ok := obj.(*unstructured.Unstructured); ok {
		object.SetManagedFields(nil)
	}
	return obj, nil
}
