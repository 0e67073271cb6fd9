package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/nodeagent/gpus"
	"github.com/muster-scheduling/muster/nodeagent/kube"
)

// idleTurns is how many intervals pass between two looks for a driver on a node
// that has none.
const idleTurns = 6

// stalledAfter is how long a turn may take before the agent counts as dead: NVML
// may never return when a GPU hangs.
const stalledAfter = 10 * time.Minute

// Run publishes the node's GPUs until ctx ends, and then returns nil; what it
// has published stays. It fails only if it cannot start. What goes wrong later
// is logged once and tried again.
func Run(ctx context.Context, config Config) error {
	client, err := kube.New(config.API, config.NodeName)
	if err != nil {
		return err
	}
	a := &agent{Config: config, client: client, said: map[string]string{}}
	var lastTurn atomic.Int64
	lastTurn.Store(time.Now().UnixNano())
	stopProbes, err := serveProbes(ctx, config.ProbeAddress, func() bool {
		return time.Since(time.Unix(0, lastTurn.Load())) < stalledAfter+2*idleTurns*config.Interval
	})
	if err != nil {
		return err
	}
	a.loop(ctx, &lastTurn)
	return stopProbes()
}

// loop takes a turn at every interval and after each fatal Xid error.
func (a *agent) loop(ctx context.Context, lastTurn *atomic.Int64) {
	defer a.close(context.WithoutCancel(ctx))
	for {
		a.turn(ctx, time.Now())
		lastTurn.Store(time.Now().UnixNano())
		if a.watched.failed() && a.gpus != nil {
			a.watched.stop()
			a.watched = startWatch(ctx, a.gpus)
		}
		wait := a.Interval
		if len(a.hardware.GPUs) == 0 {
			wait *= idleTurns
		}
		if !a.sleep(ctx, wait) {
			return
		}
	}
}

// sleep waits, taking in Xid errors, until it is time for a turn. It returns
// false when ctx has ended.
func (a *agent) sleep(ctx context.Context, wait time.Duration) bool {
	if a.delay > 0 {
		wait = min(wait, max(time.Until(a.retryAt), time.Millisecond))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case event := <-a.watched.events():
			if a.happened(ctx, event, time.Now()) {
				return true
			}
		}
	}
}

// watch is a goroutine that waits for Xid errors. A nil watch sees none.
type watch struct {
	found  chan gpus.Event
	done   chan struct{}
	err    error // why it ended; read after done
	cancel context.CancelFunc
}

// startWatch waits for Xid errors until it is stopped or the driver fails.
func startWatch(ctx context.Context, driver GPUs) *watch {
	const step = time.Second // how long a stop may take
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{found: make(chan gpus.Event), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			event, err := driver.Wait(step)
			if err != nil {
				w.err = err
				return
			}
			if event == nil {
				continue
			}
			select {
			case w.found <- *event:
			case <-ctx.Done():
			}
		}
	}()
	return w
}

func (w *watch) events() <-chan gpus.Event {
	if w == nil {
		return nil
	}
	return w.found
}

// failed says whether the watch has ended though it might go on.
func (w *watch) failed() bool {
	if w == nil {
		return false
	}
	select {
	case <-w.done:
		return !errors.Is(w.err, gpus.ErrNoEvents)
	default:
		return false
	}
}

// stop ends the watch and waits for its end.
func (w *watch) stop() {
	if w == nil {
		return
	}
	w.cancel()
	<-w.done
}

// serveProbes answers /healthz and /readyz at the address, by alive. A node
// without GPUs is as ready as any. The returned function stops it.
func serveProbes(ctx context.Context, address string, alive func() bool) (stop func() error, err error) {
	if address == "" {
		return func() error { return nil }, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for probes: %w", err)
	}
	answer := func(w http.ResponseWriter, _ *http.Request) {
		if !alive() {
			http.Error(w, "the last reading of the GPUs has not come to an end", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", answer)
	mux.HandleFunc("/readyz", answer)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			klog.FromContext(ctx).Error(err, "Serving probes ended")
		}
	}()
	return func() error {
		err := server.Close()
		<-done
		return err
	}, nil
}
