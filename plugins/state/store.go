package state

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
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
}

// NewStore starts to watch pods and PodGroups for the scheduler behind a handle, until the context ends. It does not
// wait for the watches: a gang that the registry does not know yet waits.
func NewStore(ctx context.Context, handle fwk.Handle, registry *Registry) (*Store, error) {
	client, err := podGroupClient(handle.KubeConfig())
	if err != nil {
		return nil, err
	}
	s := &Store{Registry: registry, handle: handle, podGroups: client}
	if err := s.watchPods(ctx); err != nil {
		return nil, fmt.Errorf("watching pods: %w", err)
	}
	if err := s.watchSucceeded(ctx); err != nil {
		return nil, fmt.Errorf("watching succeeded pods: %w", err)
	}
	if err := s.watchPodGroups(ctx); err != nil {
		return nil, fmt.Errorf("watching PodGroups: %w", err)
	}
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

func (s *Store) watchPods(ctx context.Context) error {
	_, err := s.handle.SharedInformerFactory().Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if pod, ok := obj.(*corev1.Pod); ok {
				s.Apply(ctx, s.SetPod(pod))
			}
		},
		UpdateFunc: func(_, obj any) {
			if pod, ok := obj.(*corev1.Pod); ok {
				s.Apply(ctx, s.SetPod(pod))
			}
		},
		DeleteFunc: func(obj any) {
			if pod, ok := lastState(obj).(*corev1.Pod); ok {
				s.Apply(ctx, s.DeletePod(pod.UID))
			}
		},
	})
	return err
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
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if key, uid, role, ok := succeeded(obj); ok {
				s.Apply(ctx, s.SetSucceeded(key, uid, role))
			}
		},
		DeleteFunc: func(obj any) {
			if key, uid, _, ok := succeeded(lastState(obj)); ok {
				s.Apply(ctx, s.ForgetSucceeded(key, uid))
			}
		},
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

func succeeded(obj any) (Key, types.UID, string, bool) {
	pod, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return Key{}, "", "", false
	}
	return Key{Namespace: pod.Namespace, Name: pod.Labels[schedulingv1alpha1.PodGroupLabel]}, pod.UID, RoleOf(pod.Labels), true
}

func (s *Store) watchPodGroups(ctx context.Context) error {
	informer := cache.NewSharedIndexInformer(
		cache.NewListWatchFromClient(s.podGroups, "podgroups", metav1.NamespaceAll, fields.Everything()),
		&podgroupv1alpha1.PodGroup{}, 0, cache.Indexers{})
	if err := informer.SetTransform(withKind); err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if pg, ok := obj.(*podgroupv1alpha1.PodGroup); ok {
				s.Apply(ctx, s.SetPodGroup(pg))
			}
		},
		UpdateFunc: func(_, obj any) {
			if pg, ok := obj.(*podgroupv1alpha1.PodGroup); ok {
				s.Apply(ctx, s.SetPodGroup(pg))
			}
		},
		DeleteFunc: func(obj any) {
			if pg, ok := lastState(obj).(*podgroupv1alpha1.PodGroup); ok {
				s.Apply(ctx, s.DeletePodGroup(Key{Namespace: pg.Namespace, Name: pg.Name}))
			}
		},
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

// podGroupClient makes a typed client for scheduling.x-k8s.io/v1alpha1 in its own scheme.
func podGroupClient(config *rest.Config) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := podgroupv1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the PodGroup types: %w", err)
	}
	metav1.AddToGroupVersion(scheme, podgroupv1alpha1.SchemeGroupVersion)
	config = rest.CopyConfig(config)
	config.GroupVersion = &podgroupv1alpha1.SchemeGroupVersion
	config.APIPath = "/apis"
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for PodGroups: %w", err)
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
