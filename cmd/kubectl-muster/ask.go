package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/muster-scheduling/muster/cmd/kubectl-muster/kube"
	"github.com/muster-scheduling/muster/cmd/kubectl-muster/query"
)

// asking is what every command needs that asks the scheduler: the flags, and once Connect was called what they lead to.
type asking struct {
	kube      kube.Flags
	scheduler string
	caFile    string
	output
}

// add adds the flags to a command.
func (a *asking) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	a.kube.Add(flags)
	flags.StringVar(&a.scheduler, "scheduler", os.Getenv("MUSTER_SCHEDULER"),
		"address of the scheduler, https://host:port, if it cannot be found through the cluster ($MUSTER_SCHEDULER)")
	flags.StringVar(&a.caFile, "certificate-authority", "",
		"PEM file with the certificate authority of the address given by --scheduler (default those of this machine)")
	a.output.add(flags)
}

// session is a connection to the scheduler and to the cluster that it serves.
type session struct {
	*query.Client
	cluster   *kube.Reader
	namespace string
}

// connect reaches the cluster of the kubeconfig and the scheduler that leads there. The session must be closed.
func (a *asking) connect(ctx context.Context) (*session, error) {
	config, namespace, err := a.kube.Load()
	if err != nil {
		return nil, err
	}
	reader, err := kube.NewReader(config)
	if err != nil {
		return nil, err
	}
	client, err := query.Connect(ctx, query.Target{Config: config, URL: a.scheduler, CAFile: a.caFile})
	if err != nil {
		return nil, err
	}
	return &session{Client: client, cluster: reader, namespace: namespace}, nil
}
