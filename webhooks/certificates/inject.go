package certificates

import (
	"bytes"
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// inject writes the authorities into all webhooks of the configurations, where they are not there yet.
func (k *Keeper) inject(ctx context.Context, authorities []byte) error {
	mutating := &admissionv1.MutatingWebhookConfiguration{}
	if err := k.update(ctx, mutating, func() bool {
		changed := false
		for i := range mutating.Webhooks {
			changed = trust(&mutating.Webhooks[i].ClientConfig, authorities) || changed
		}
		return changed
	}); err != nil {
		return err
	}
	validating := &admissionv1.ValidatingWebhookConfiguration{}
	return k.update(ctx, validating, func() bool {
		changed := false
		for i := range validating.Webhooks {
			changed = trust(&validating.Webhooks[i].ClientConfig, authorities) || changed
		}
		return changed
	})
}

// update reads a configuration and writes it back if change, called after the reading, says so. One that is missing is not
// created: whether there are webhooks is the admin's to say.
func (k *Keeper) update(ctx context.Context, configuration client.Object, change func() bool) error {
	err := k.reader.Get(ctx, client.ObjectKey{Name: k.config.Configuration}, configuration)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %T %s: %w", configuration, k.config.Configuration, err)
	}
	if !change() {
		return nil
	}
	err = k.writer.Update(ctx, configuration)
	if err != nil && !apierrors.IsConflict(err) { // whoever changed it meanwhile caused another event
		return fmt.Errorf("write the authorities into %T %s: %w", configuration, k.config.Configuration, err)
	}
	return nil
}

// trust makes a webhook's client trust the authorities, and returns whether it did not.
func trust(c *admissionv1.WebhookClientConfig, authorities []byte) bool {
	if bytes.Equal(c.CABundle, authorities) {
		return false
	}
	c.CABundle = authorities
	return true
}

// request is the one thing that a Keeper reconciles.
var request = reconcile.Request{}

// once is a source of one event, at the start: the Secret may not exist yet.
func once() source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		queue.Add(request)
		return nil
	})
}

// changes is a source of an event for every change of an object of the type.
func changes[T client.Object](c cache.Cache, object T) source.Source {
	return source.Kind(c, object, handler.TypedEnqueueRequestsFromMapFunc(func(context.Context, T) []reconcile.Request {
		return []reconcile.Request{request}
	}))
}
