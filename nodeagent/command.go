package nodeagent

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/nodeagent/gpus"
	"github.com/muster-scheduling/muster/nodeagent/kubelet"
)

// flags are what only Command needs to make a Config.
type flags struct {
	kubeconfig  string
	library     string
	insecureTLS bool
	ignoreXids  []uint
}

// Command returns muster-node-agent's command line. It runs until its context
// ends.
func Command() *cobra.Command {
	var config Config
	var given flags
	command := &cobra.Command{
		Use:   "muster-node-agent",
		Short: "Publishes a node's GPUs: their layout, what is in use, and what has failed",
		Long: "muster-node-agent runs on every node. It reads the GPUs through NVIDIA's library, asks the kubelet what pods hold,\n" +
			"and publishes a NodeResourceTopology, node labels and the condition GPUHealthy. Without GPUs it idles.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := complete(&config, given); err != nil {
				return err
			}
			return Run(command.Context(), config)
		},
	}
	f := command.Flags()
	f.StringVar(&config.NodeName, "node-name", os.Getenv("NODE_NAME"), "name of the node (default: $NODE_NAME)")
	f.StringVar(&given.kubeconfig, "kubeconfig", "", "file that says how to reach the API server; empty: as a pod does")
	f.StringVar(&given.library, "nvml-library", "", "path of libnvidia-ml.so.1; empty: where the dynamic linker finds it")
	f.StringVar(&config.PodResources, "pod-resources-socket", kubelet.Socket, "unix socket of the kubelet's pod-resources API")
	f.StringVar(&config.KubeletAddress, "kubelet-address", "", "address of the kubelet, with :PORT if that is not 10250, to read how its topology manager is set; empty: that is not read")
	f.BoolVar(&given.insecureTLS, "kubelet-insecure-tls", false, "do not verify the kubelet's certificate, for kubelets that signed it themselves")
	f.StringVar(&config.TopologyPolicy, "topology-manager-policy", "", "policy of the kubelet's topology manager; empty: what --kubelet-address says")
	f.StringVar(&config.TopologyScope, "topology-manager-scope", "", "scope of the kubelet's topology manager; empty: what --kubelet-address says")
	f.DurationVar(&config.Interval, "interval", 10*time.Second, "time between two readings")
	f.DurationVar(&config.Refresh, "refresh", 5*time.Minute, "time after which the API server is asked whether all is still as published")
	f.DurationVar(&config.RecoverAfter, "recover-after", 10*time.Minute, "time without a fatal Xid error after which a GPU is trusted again")
	f.BoolVar(&config.Taint, "taint-unhealthy", false, "taint the node with muster.dev/gpu-unhealthy:NoSchedule while a GPU of it is unhealthy")
	f.UintSliceVar(&given.ignoreXids, "ignore-xids", nil, "Xid errors that do not make a GPU unhealthy here, besides those that applications cause")
	f.StringVar(&config.ProbeAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served; empty: nowhere")
	var logFlags flag.FlagSet
	klog.InitFlags(&logFlags)
	f.AddGoFlag(logFlags.Lookup("v"))
	return command
}

// complete turns flags into what Run needs.
func complete(config *Config, given flags) error {
	if config.NodeName == "" {
		return errors.New("--node-name or $NODE_NAME has to name the node")
	}
	if config.Interval <= 0 || config.Refresh <= 0 || config.RecoverAfter < 0 {
		return errors.New("--interval and --refresh have to be positive, --recover-after not negative")
	}
	if err := known("--topology-manager-policy", config.TopologyPolicy, "none", "best-effort", "restricted", "single-numa-node"); err != nil {
		return err
	}
	if err := known("--topology-manager-scope", config.TopologyScope, "container", "pod"); err != nil {
		return err
	}
	var err error
	if given.kubeconfig == "" {
		config.API, err = rest.InClusterConfig()
	} else {
		config.API, err = clientcmd.BuildConfigFromFlags("", given.kubeconfig)
	}
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	if config.KubeletAddress != "" {
		config.KubeletAddress = kubeletURL(config.KubeletAddress)
		if config.KubeletClient, err = kubeletClient(config.API, given.insecureTLS); err != nil {
			return err
		}
	}
	for _, xid := range given.ignoreXids {
		config.IgnoreXids = append(config.IgnoreXids, uint64(xid))
	}
	config.Open = func() (GPUs, error) {
		reader, err := gpus.Open(given.library)
		if err != nil {
			return nil, err // and not a nil *gpus.Reader, which as GPUs is not nil
		}
		return reader, nil
	}
	config.Sysfs = "/sys"
	config.BootID = bootID()
	return nil
}

func known(name, value string, values ...string) error {
	if value == "" || slices.Contains(values, value) {
		return nil
	}
	return fmt.Errorf("%s=%s: want one of %s", name, value, strings.Join(values, ", "))
}

// kubeletURL completes an address, of IPv6 too, with the kubelet's usual port.
func kubeletURL(address string) string {
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "10250")
	}
	return "https://" + address
}

// kubeletClient has the agent's own credentials: the kubelet asks the API server
// what they allow.
func kubeletClient(api *rest.Config, insecure bool) (*http.Client, error) {
	config := rest.CopyConfig(api)
	config.ServerName = ""
	if insecure {
		config.TLSClientConfig.Insecure = true
		config.CAFile, config.CAData = "", nil
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("preparing to ask the kubelet: %w", err)
	}
	return client, nil
}

// bootID names this boot of the node's kernel, which containers share.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // Xid errors from before a restart then count in any boot
	}
	return strings.TrimSpace(string(text))
}
