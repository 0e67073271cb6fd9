// Package plugins is the composition root of muster-scheduler: it lists every plugin that runs and builds kube-scheduler
// around them.
package plugins

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/muster-scheduling/muster/apis/config/v1alpha1"
	"github.com/muster-scheduling/muster/plugins/coscheduling"
	"github.com/muster-scheduling/muster/plugins/state"
)

// registry lists all plugins. They share the gangs of one scheduler. What they do besides answering the scheduler, they do
// once leading is closed: until then another replica leads.
func registry(leading <-chan struct{}) frameworkruntime.Registry {
	gangs := &gangs{}
	return frameworkruntime.Registry{
		coscheduling.GateName: func(ctx context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
			store, err := gangs.of(ctx, handle)
			if err != nil {
				return nil, err
			}
			return coscheduling.NewGate(store), nil
		},
		coscheduling.Name: func(ctx context.Context, object runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
			args := &configv1alpha1.CoschedulingArgs{}
			if err := decodeArgs(coscheduling.Name, object, args); err != nil {
				return nil, err
			}
			store, err := gangs.of(ctx, handle)
			if err != nil {
				return nil, err
			}
			return coscheduling.New(ctx, args, handle, store, leading)
		},
	}
}

// gangs makes the registry of gangs when the first plugin asks for it.
type gangs struct {
	once  sync.Once
	store *state.Store
	err   error
}

func (g *gangs) of(ctx context.Context, handle fwk.Handle) (*state.Store, error) {
	g.once.Do(func() { g.store, g.err = state.NewStore(ctx, handle, state.NewRegistry(time.Now)) })
	return g.store, g.err
}

// args are the arguments of a plugin.
type args interface {
	SetDefaults()
	Validate() error
}

// decodeArgs reads the arguments of a plugin strictly: a field that does not exist is an error, not a silent default.
func decodeArgs(plugin string, object runtime.Object, into args) error {
	if raw, given := object.(*runtime.Unknown); given && raw != nil {
		if err := yaml.UnmarshalStrict(raw.Raw, into); err != nil {
			return fmt.Errorf("reading the arguments of plugin %s: %w", plugin, err)
		}
	}
	into.SetDefaults()
	if err := into.Validate(); err != nil {
		return fmt.Errorf("checking the arguments of plugin %s: %w", plugin, err)
	}
	return nil
}
