// Package plugins is the composition root of muster-scheduler: it lists every plugin that runs and builds kube-scheduler
// around them.
package plugins

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/server/mux"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/muster-scheduling/muster/apis/config/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/plugins/coscheduling"
	"github.com/muster-scheduling/muster/plugins/fairshare"
	"github.com/muster-scheduling/muster/plugins/packing"
	"github.com/muster-scheduling/muster/plugins/query"
	"github.com/muster-scheduling/muster/plugins/queue"
	"github.com/muster-scheduling/muster/plugins/state"
	"github.com/muster-scheduling/muster/plugins/topology"
)

// registry lists all plugins. They share the gangs of one scheduler. What they do besides answering the scheduler, they do
// once leading is closed: until then another replica leads.
func registry(gangs *gangs, leading <-chan struct{}) frameworkruntime.Registry {
	return frameworkruntime.Registry{
		queue.Name: plugin(gangs, &configv1alpha1.QueueArgs{}, func(ctx context.Context, args *configv1alpha1.QueueArgs, _ fwk.Handle, store *state.Store) (fwk.Plugin, error) {
			return queue.New(ctx, args, store, leading), nil
		}),
		coscheduling.Name: plugin(gangs, &configv1alpha1.CoschedulingArgs{}, func(ctx context.Context, args *configv1alpha1.CoschedulingArgs, handle fwk.Handle, store *state.Store) (fwk.Plugin, error) {
			return coscheduling.New(ctx, args, handle, store, leading)
		}),
		fairshare.Name: plugin(gangs, &configv1alpha1.FairShareArgs{}, func(ctx context.Context, args *configv1alpha1.FairShareArgs, handle fwk.Handle, store *state.Store) (fwk.Plugin, error) {
			judge, err := fairshare.New(ctx, args, handle, store, leading)
			if err != nil {
				return nil, err
			}
			gangs.judge = judge
			return judge, nil
		}),
		packing.Name: plugin(gangs, &configv1alpha1.PackingArgs{}, func(_ context.Context, args *configv1alpha1.PackingArgs, handle fwk.Handle, store *state.Store) (fwk.Plugin, error) {
			return packing.New(args, handle, store)
		}),
		topology.Name: plugin(gangs, &noArgs{}, func(ctx context.Context, _ *noArgs, handle fwk.Handle, store *state.Store) (fwk.Plugin, error) {
			return topology.New(ctx, handle, store, leading), nil
		}),
	}
}

// plugin reads the arguments of a plugin, finds the gangs and makes it.
func plugin[A args](gangs *gangs, into A, build func(context.Context, A, fwk.Handle, *state.Store) (fwk.Plugin, error)) frameworkruntime.PluginFactory {
	return func(ctx context.Context, object runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		if err := decodeArgs(object, into); err != nil {
			return nil, err
		}
		store, err := gangs.of(ctx, handle)
		if err != nil {
			return nil, err
		}
		return build(ctx, into, handle, store)
	}
}

// gangs makes the registry of gangs when the first plugin asks for it.
type gangs struct {
	leading <-chan struct{}
	// judge decides what becomes of gangs that find no room; nil where the configuration leaves it out.
	judge *fairshare.FairShare

	once  sync.Once
	store *state.Store
	err   error
}

func (g *gangs) of(ctx context.Context, handle fwk.Handle) (*state.Store, error) {
	g.once.Do(func() {
		g.store, g.err = state.NewStore(ctx, handle, state.NewRegistry(time.Now, dispatch.Options{}), g.leading)
	})
	return g.store, g.err
}

// letAsk lets a scheduler answer questions about gangs, and returns the paths where it does. There are none without the
// plugins that know the answers.
func (g *gangs) letAsk(sched *scheduler.Scheduler) func(*mux.PathRecorderMux) {
	if g.store == nil || g.judge == nil {
		return func(*mux.PathRecorderMux) {}
	}
	return query.New(g.store, letAsk(sched, g.store, g.judge.WhatIf).ask).Install
}

// args are the arguments of a plugin.
type args interface {
	SetDefaults()
	Validate() error
}

// noArgs are the arguments of a plugin that takes none.
type noArgs struct{}

// SetDefaults and Validate do nothing.
func (*noArgs) SetDefaults()    {}
func (*noArgs) Validate() error { return nil }

// decodeArgs reads the arguments of a plugin strictly: a field that does not exist is an error, not a silent default.
func decodeArgs(object runtime.Object, into args) error {
	if raw, given := object.(*runtime.Unknown); given && raw != nil {
		if err := yaml.UnmarshalStrict(raw.Raw, into); err != nil {
			return fmt.Errorf("reading the plugin's arguments: %w", err)
		}
	}
	into.SetDefaults()
	if err := into.Validate(); err != nil {
		return fmt.Errorf("checking the plugin's arguments: %w", err)
	}
	return nil
}
