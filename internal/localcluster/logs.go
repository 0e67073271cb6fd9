package localcluster

import (
	"flag"
	"fmt"
	"io"
	"sync"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
)

// logOutput is where klog writes. It belongs to the process as klog does, and
// stays when a cluster is gone: late goroutines may still log.
var logOutput = &switchedWriter{to: io.Discard}

// A switchedWriter writes to another writer that can be changed at any time. It
// may be used concurrently.
type switchedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *switchedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func (w *switchedWriter) set(to io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

// redirectLogs makes klog write to logOutput. Each Kubernetes command of this
// process would set up logging by itself: this applies the default set-up once,
// which makes the commands leave it alone, and then changes the output.
func redirectLogs() error {
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	if err := logsapi.ValidateAndApply(logsapi.NewLoggingConfiguration(), utilfeature.DefaultFeatureGate); err != nil {
		return fmt.Errorf("set up logging: %w", err)
	}
	klog.ClearLogger()
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{
		"logtostderr":     "false",
		"one_output":      "true",
		"stderrthreshold": "FATAL",
	} {
		if err := flags.Set(name, value); err != nil {
			return fmt.Errorf("set up logging: %w", err)
		}
	}
	klog.SetOutput(logOutput)
	// Deprecated APIs are used here on purpose, such as by controllers that watch all.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	return nil
}
