package state

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// permitName is the plugin that makes pods wait in Permit.
const permitName = "Coscheduling"

// PlanFell is what a reserved member is told that is sent back.
const PlanFell = "the gang's plan fell: another of its members cannot be placed"

// Store is the registry of one scheduler together with the informers that feed it and the scheduler that acts on it.
type Store struct {
	*Registry
	handle    fwk.Handle
	podGroups rest.Interface
	own       rest.Interface // Queues and Topologies
	layouts   layouts
	// synced are the watches that have to have caught up before anything is admitted.
	synced []cache.InformerSynced
}

// NewStore starts to watch what the registry has to know for the scheduler behind a handle, until the context ends. It does
// not wait for the watches, but nothing is admitted before they have caught up, since usage that is not known yet would be
// handed out a second time, and before leading is closed.
func NewStore(ctx context.Context, handle fwk.Handle, registry *Registry, leading <-chan struct{}) (*Store, error) {
	s := &Store{Registry: registry, handle: handle}
	var err error
	if s.podGroups, err = restClient(handle.KubeConfig(), podgroupv1alpha1.SchemeGroupVersion, podgroupv1alpha1.AddToScheme); err != nil {
		return nil, err
	}
	if s.own, err = restClient(handle.KubeConfig(), schedulingv1alpha1.GroupVersion, schedulingv1alpha1.AddToScheme); err != nil {
		return nil, err
	}
	for what, watch := range map[string]func(context.Context) error{
		"pods": s.watchPods, "succeeded pods": s.watchSucceeded, "namespaces": s.watchNamespaces,
		"PodGroups": s.watchPodGroups, "Queues": s.watchQueues, "Topologies": s.watchTopologies, "ResourceClaims": s.watchResourceClaims,
		"NodeResourceTopologies": s.watchLayouts,
	} {
		if err := watch(ctx); err != nil {
			return nil, fmt.Errorf("watching %s: %w", what, err)
		}
	}
	go func() {
		if !cache.WaitForCacheSync(ctx.Done(), s.synced...) {
			return
		}
		select {
		case <-leading:
			s.RestoreUsage()
			s.Apply(ctx, s.Open())
		case <-ctx.Done():
		}
	}()
	return s, nil
}

// Apply carries out what a change asks for. It must not be called from PreEnqueue or Less: the scheduling queue calls
// these under its lock.
func (s *Store) Apply(ctx context.Context, effects Effects) {
	for _, uid := range effects.Allow {
		if waiting := s.handle.GetWaitingPod(uid); waiting != nil {
			waiting.Allow(permitName)
		}
	}
	for _, uid := range effects.Reject {
		if waiting := s.handle.GetWaitingPod(uid); waiting != nil {
			waiting.Reject(permitName, PlanFell)
		}
	}
	if len(effects.Activate) > 0 {
		pods := make(map[string]*corev1.Pod, len(effects.Activate))
		for _, pod := range effects.Activate {
			pods[pod.Namespace+"/"+pod.Name] = pod
		}
		s.handle.Activate(klog.FromContext(ctx), pods)
	}
}

// follow hands what an informer tells to set and drop, and remembers when it has caught up.
func follow[T any](s *Store, informer cache.SharedIndexInformer, set, drop func(T)) error {
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if object, ok := obj.(T); ok {
				set(object)
			}
		},
		UpdateFunc: func(_, obj any) {
			if object, ok := obj.(T); ok {
				set(object)
			}
		},
		DeleteFunc: func(obj any) {
			if object, ok := lastState(obj).(T); ok {
				drop(object)
			}
		},
	})
	if err == nil {
		s.synced = append(s.synced, registration.HasSynced)
	}
	return err
}

func (s *Store) watchPods(ctx context.Context) error {
	return follow(s, s.handle.SharedInformerFactory().Core().V1().Pods().Informer(),
		func(pod *corev1.Pod) { s.Apply(ctx, s.SetPod(pod)) },
		func(pod *corev1.Pod) { s.Apply(ctx, s.DeletePod(pod.UID)) })
}

func (s *Store) watchNamespaces(ctx context.Context) error {
	return follow(s, s.handle.SharedInformerFactory().Core().V1().Namespaces().Informer(),
		func(namespace *corev1.Namespace) { s.Apply(ctx, s.SetNamespace(namespace.Name, namespace.Labels)) },
		func(namespace *corev1.Namespace) { s.Apply(ctx, s.SetNamespace(namespace.Name, nil)) })
}

func (s *Store) watchResourceClaims(ctx context.Context) error {
	return follow(s, s.handle.SharedInformerFactory().Resource().V1().ResourceClaims().Informer(),
		func(claim *resourcev1.ResourceClaim) { s.Apply(ctx, s.SetResourceClaim(claim)) },
		func(claim *resourcev1.ResourceClaim) {
			s.Apply(ctx, s.DeleteResourceClaim(claim.Namespace, claim.Name))
		})
}

func (s *Store) watchQueues(ctx context.Context) error {
	return followOwn(ctx, s, "queues", &schedulingv1alpha1.Queue{}, func(queue *schedulingv1alpha1.Queue) {
		effects, err := s.SetQueue(queue)
		if err != nil {
			klog.FromContext(ctx).Error(err, "Reading a Queue")
		}
		s.Apply(ctx, effects)
	}, func(queue *schedulingv1alpha1.Queue) { s.Apply(ctx, s.DeleteQueue(queue.Name)) })
}

func (s *Store) watchTopologies(ctx context.Context) error {
	return followOwn(ctx, s, "topologies", &schedulingv1alpha1.Topology{},
		func(t *schedulingv1alpha1.Topology) { s.Apply(ctx, s.SetTopology(t)) },
		func(t *schedulingv1alpha1.Topology) { s.Apply(ctx, s.DeleteTopology(t.Name)) })
}

// followOwn watches a kind of Muster's own API.
func followOwn[T runtime.Object](ctx context.Context, s *Store, plural string, example T, set, drop func(T)) error {
	informer := cache.NewSharedIndexInformer(
		cache.NewListWatchFromClient(s.own, plural, metav1.NamespaceAll, fields.Everything()), example, 0, cache.Indexers{})
	if err := follow(s, informer, set, drop); err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	return nil
}

// watchSucceeded watches the metadata of gang members that succeeded: the scheduler's own informer drops pods that have
// ended without saying how.
func (s *Store) watchSucceeded(ctx context.Context) error {
	client, err := metadata.NewForConfig(s.handle.KubeConfig())
	if err != nil {
		return err
	}
	informer := metadatainformer.NewFilteredMetadataInformer(client, corev1.SchemeGroupVersion.WithResource("pods"), metav1.NamespaceAll, 0,
		cache.Indexers{}, func(options *metav1.ListOptions) {
			options.LabelSelector = schedulingv1alpha1.PodGroupLabel
			options.FieldSelector = fields.OneTermEqualSelector("status.phase", string(corev1.PodSucceeded)).String()
		}).Informer()
	if err := informer.SetTransform(onlyIdentity); err != nil {
		return err
	}
	if err := follow(s, informer, func(pod *metav1.PartialObjectMetadata) {
		key, uid, role := succeeded(pod)
		if pod.DeletionTimestamp != nil {
			// Told to stop, many programs end without an error: that does not mean that their work was done.
			s.Apply(ctx, s.ForgetSucceeded(key, uid))
			return
		}
		s.Apply(ctx, s.SetSucceeded(key, uid, role))
	}, func(pod *metav1.PartialObjectMetadata) {
		key, uid, _ := succeeded(pod)
		s.Apply(ctx, s.ForgetSucceeded(key, uid))
	}); err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	return nil
}

// onlyIdentity keeps of an object what the registry reads.
func onlyIdentity(obj any) (any, error) {
	if object, ok := obj.(*metav1.PartialObjectMetadata); ok {
		object.ManagedFields, object.Annotations, object.OwnerReferences = nil, nil, nil
	}
	return obj, nil
}

func succeeded(pod *metav1.PartialObjectMetadata) (Key, types.UID, string) {
	return Key{Namespace: pod.Namespace, Name: pod.Labels[schedulingv1alpha1.PodGroupLabel]}, pod.UID, RoleOf(pod.Labels)
}

func (s *Store) watchPodGroups(ctx context.Context) error {
	informer := cache.NewSharedIndexInformer(
		cache.NewListWatchFromClient(s.podGroups, "podgroups", metav1.NamespaceAll, fields.Everything()),
		&podgroupv1alpha1.PodGroup{}, 0, cache.Indexers{})
	if err := informer.SetTransform(withKind); err != nil {
		return err
	}
	if err := follow(s, informer,
		func(pg *podgroupv1alpha1.PodGroup) { s.Apply(ctx, s.SetPodGroup(pg)) },
		func(pg *podgroupv1alpha1.PodGroup) {
			s.Apply(ctx, s.DeletePodGroup(Key{Namespace: pg.Namespace, Name: pg.Name}))
		}); err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	return nil
}

// withKind puts back the kind that decoding drops, since events name it, and drops what nobody reads.
func withKind(obj any) (any, error) {
	if pg, ok := obj.(*podgroupv1alpha1.PodGroup); ok {
		pg.SetGroupVersionKind(podgroupv1alpha1.SchemeGroupVersion.WithKind("PodGroup"))
		pg.ManagedFields = nil
	}
	return obj, nil
}

// lastState unwraps what an informer hands out for an object whose deletion it missed.
func lastState(obj any) any {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		return tombstone.Obj
	}
	return obj
}

// restClient makes a typed client for one group and version in its own scheme.
func restClient(config *rest.Config, version schema.GroupVersion, addToScheme func(*runtime.Scheme) error) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := addToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the types of %s: %w", version, err)
	}
	metav1.AddToGroupVersion(scheme, version)
	config = rest.CopyConfig(config)
	config.GroupVersion = &version
	config.APIPath = "/apis"
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", version, err)
	}
	return client, nil
}

// SetPhase writes the phase of a PodGroup.
func (s *Store) SetPhase(ctx context.Context, pg *podgroupv1alpha1.PodGroup, phase podgroupv1alpha1.PodGroupPhase) error {
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q},"status":{"phase":%q}}`, pg.UID, phase)
	err := s.podGroups.Patch(types.MergePatchType).Namespace(pg.Namespace).Resource("podgroups").Name(pg.Name).
		SubResource("status").Body(patch).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("setting the phase of PodGroup %s/%s to %s: %w", pg.Namespace, pg.Name, phase, err)
	}
	return nil
}

// Evict asks the Eviction API to send a pod away: PodDisruptionBudgets hold, and the pod gets the condition
// DisruptionTarget. A pod that is gone, or is another one by now, is no error.
func (s *Store) Evict(ctx context.Context, pod *corev1.Pod) error {
	err := s.handle.ClientSet().CoreV1().Pods(pod.Namespace).EvictV1(ctx, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("evicting pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}
