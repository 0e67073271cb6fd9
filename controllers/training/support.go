package training

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// supportKey tells the objects of a job apart.
func supportKey(object client.Object) string {
	return fmt.Sprintf("%T/%s", object, object.GetName())
}

// supportMeta is the metadata of an object that belongs to the job as a whole.
func (k *kind) supportMeta(job trainingv1.Job, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:            name,
		Namespace:       job.GetNamespace(),
		Labels:          k.labels(job),
		OwnerReferences: []metav1.OwnerReference{k.ownerReference(job)},
	}
}

// observeSupport collects what exists of the objects that the job's pods need, save secrets: the manager may not look through
// those of the cluster.
func (r *reconciler) observeSupport(ctx context.Context, k *kind, job trainingv1.Job, seen *observed) error {
	if k.support == nil {
		return nil
	}
	seen.support = map[string]client.Object{}
	for _, object := range k.support(k, r.config, job, k.members(job, nil)) {
		if isSecret(object) {
			continue
		}
		key := supportKey(object)
		found, err := r.getOwned(ctx, job, object.GetName(), object)
		if err != nil {
			return err
		}
		if found {
			seen.support[key] = object
		}
	}
	return nil
}

// syncSupport makes the objects that the job's pods need what they have to be. Before pods are created, a secret is created
// too: if it exists, nothing comes of that.
func (p *pass) syncSupport() {
	if p.support == nil {
		return
	}
	lacking := slices.ContainsFunc(p.members, func(m member) bool { return m.pod == nil })
	for _, wanted := range p.support(p.kind, p.config, p.job, p.members) {
		if isSecret(wanted) && !lacking {
			continue
		}
		existing := p.seen.support[supportKey(wanted)]
		if existing == nil {
			p.before = append(p.before, wanted)
		} else if object, changed := correct(existing, wanted); changed {
			p.update = append(p.update, object)
		}
	}
}

// correct returns existing as it should be, and false if it is so already. Accounts and bindings have nothing that could be
// wrong: what a binding refers to cannot be changed.
func correct(existing, wanted client.Object) (client.Object, bool) {
	switch wanted := wanted.(type) {
	case *corev1.ConfigMap:
		object := existing.DeepCopyObject().(*corev1.ConfigMap)
		object.Data = wanted.Data
		return object, !maps.Equal(existing.(*corev1.ConfigMap).Data, wanted.Data)
	case *rbacv1.Role:
		object := existing.DeepCopyObject().(*rbacv1.Role)
		object.Rules = wanted.Rules
		return object, !equality.Semantic.DeepEqual(existing.(*rbacv1.Role).Rules, wanted.Rules)
	}
	return existing, false
}

func isSecret(object client.Object) bool {
	_, ok := object.(*corev1.Secret)
	return ok
}

// fillIn adds what is not decided but drawn: the keys of a secret that has none.
func fillIn(object client.Object) error {
	secret, ok := object.(*corev1.Secret)
	if !ok || len(secret.Data) > 0 {
		return nil
	}
	keys, err := newKeys()
	if err != nil {
		return fmt.Errorf("making the keys of Secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	secret.Data = keys
	return nil
}
