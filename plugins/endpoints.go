package plugins

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	"k8s.io/apiserver/pkg/server/flagz"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/apiserver/pkg/server/routes"
	"k8s.io/apiserver/pkg/server/statusz"
	"k8s.io/apiserver/pkg/util/compatibility"
	apiserverfeature "k8s.io/apiserver/pkg/util/feature"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/component-base/configz"
	"k8s.io/component-base/logs"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/prometheus/slis"
	zpages "k8s.io/component-base/zpages/features"
	schedulerserverconfig "k8s.io/kubernetes/cmd/kube-scheduler/app/config"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/metrics/resources"
)

// component is what kube-scheduler calls itself where it serves.
const component = "kube-scheduler"

// shutdownTimeout is how long requests that are being answered may take when the scheduler ends.
const shutdownTimeout = 5 * time.Second

// endpoints are what the scheduler answers on its secure port: all that kube-scheduler does, and questions about gangs and
// queues.
//
// kube-scheduler puts its paths together, and serves them, inside of app.Run, where nothing can be added. So they are put
// together here once more, and app.Run is left without a port. A second port would spare these lines, and cost everybody
// who runs a scheduler a port, a firewall rule and a flag. Compare with newEndpointsHandler and Run in
// cmd/kube-scheduler/app/server.go when Kubernetes is updated.
type endpoints struct {
	cc      *schedulerserverconfig.CompletedConfig
	leading <-chan struct{}
	// synced is closed when the scheduler knows the cluster.
	synced <-chan struct{}
}

// serve answers on the secure port until stop is called, and keeps kube-scheduler from doing so. It does nothing where there
// is to be no such port.
func serve(ctx context.Context, cc *schedulerserverconfig.CompletedConfig, sched *scheduler.Scheduler, leading <-chan struct{}, more func(*mux.PathRecorderMux)) (stop func(), err error) {
	serving := cc.SecureServing
	if serving == nil {
		return func() {}, nil
	}
	cc.SecureServing = nil
	synced := make(chan struct{})
	go func() {
		if err := sched.WaitForHandlersSync(ctx); err == nil {
			close(synced)
		}
	}()
	paths := endpoints{cc: cc, leading: leading, synced: synced}.paths(ctx)
	more(paths)
	stopping := make(chan struct{})
	stopped, stoppedListening, err := serving.Serve(guarded(paths, cc.Authentication.Authenticator, cc.Authorization.Authorizer), shutdownTimeout, stopping)
	if err != nil {
		close(stopping)
		return nil, fmt.Errorf("serving on the secure port: %w", err)
	}
	return func() {
		close(stopping)
		<-stoppedListening
		<-stopped
	}, nil
}

// guarded lets only those through who have the right to.
func guarded(handler http.Handler, authn authenticator.Request, authz authorizer.UnconditionalAuthorizer) http.Handler {
	info := &request.RequestInfoFactory{}
	handler = filters.WithAuthorization(handler, authz, clientscheme.Codecs)
	handler = filters.WithAuthentication(handler, authn, filters.Unauthorized(clientscheme.Codecs), nil, nil)
	handler = filters.WithRequestInfo(handler, info)
	handler = filters.WithCacheControl(handler)
	handler = genericfilters.WithHTTPLogging(handler)
	return genericfilters.WithPanicRecovery(handler, info)
}

// paths are those of kube-scheduler.
func (e endpoints) paths(ctx context.Context) *mux.PathRecorderMux {
	paths := mux.NewPathRecorderMux(component)
	live, ready := e.checks(ctx)
	healthz.InstallHandler(paths, live...)
	healthz.InstallLivezHandler(paths)
	healthz.InstallReadyzHandler(paths, ready...)
	configz.InstallHandler(paths)
	paths.Handle("/metrics", legacyregistry.HandlerWithReset())
	ofPods := resources.Handler(e.cc.InformerFactory.Core().V1().Pods().Lister())
	paths.HandleFunc("/metrics/resources", func(w http.ResponseWriter, r *http.Request) {
		if isClosed(e.leading) { // Replicas would all tell the same.
			ofPods.ServeHTTP(w, r)
		}
	})
	slis.SLIMetricsWithReset{}.Install(paths)
	if e.cc.ComponentConfig.EnableProfiling {
		routes.Profiling{}.Install(paths)
		routes.DebugFlags{}.Install(paths, "v", routes.StringFlagPutHandler(logs.GlogSetter))
		if e.cc.ComponentConfig.EnableContentionProfiling {
			runtime.SetBlockProfileRate(1)
		}
	}
	if e.cc.Flagz != nil && apiserverfeature.DefaultFeatureGate.Enabled(zpages.ComponentFlagz) {
		flagz.Install(paths, component, e.cc.Flagz)
	}
	if apiserverfeature.DefaultFeatureGate.Enabled(zpages.ComponentStatusz) {
		statusz.Install(paths, component, statusz.NewRegistry(compatibility.DefaultBuildEffectiveVersion(), statusz.WithListedPaths(paths.ListedPaths())))
	}
	return paths
}

// checks say whether the scheduler is alive, and whether it is ready to schedule once it leads.
func (e endpoints) checks(ctx context.Context) (live, ready []healthz.HealthChecker) {
	if e.cc.ComponentConfig.LeaderElection.LeaderElect {
		live = append(live, e.cc.LeaderElection.WatchDog)
		ready = append(ready, e.cc.LeaderElection.WatchDog)
	}
	ready = append(ready, healthz.NewShutdownHealthz(ctx.Done()))
	return live, append(ready, healthz.NamedCheck("sched-handler-sync", func(*http.Request) error {
		if !isClosed(e.synced) {
			return errors.New("handlers are not fully synchronized")
		}
		return nil
	}))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
