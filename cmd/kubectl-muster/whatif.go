package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"

	"github.com/muster-scheduling/muster/cmd/kubectl-muster/kube"
	"github.com/muster-scheduling/muster/cmd/kubectl-muster/manifest"
	"github.com/muster-scheduling/muster/internal/explain"
)

func whatIfCommand() *cobra.Command {
	var (
		ask  asking
		file string
	)
	cmd := &cobra.Command{
		Use:   "whatif -f FILE",
		Short: "When and where a job would start if it were applied now, and whom that would evict",
		Long: `Asks the scheduler that runs what it would do with a job, and creates nothing. The file holds what would be applied: a
training job, a Job, pods, or a PodGroup with what its pods come from. Each gang in it is asked about on its own,
as if it were the only one.`,
		Example: `  kubectl muster whatif -f job.yaml
  kustomize build . | kubectl muster whatif -f - -n team-a -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := ask.check(); err != nil {
				return err
			}
			text, err := readFile(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			session, err := ask.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer session.Close()
			gangs, notes, err := manifest.Gangs(text, session.namespace)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			for _, note := range notes {
				fmt.Fprintln(cmd.ErrOrStderr(), "note:", note)
			}
			for i, gang := range gangs {
				if i > 0 && ask.format == "" {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				if err := session.whatIf(cmd.Context(), cmd.OutOrStdout(), ask.output, gang); err != nil {
					return fmt.Errorf("%s: %w", gang.Title, err)
				}
			}
			return nil
		},
	}
	ask.add(cmd)
	cmd.Flags().StringVarP(&file, "filename", "f", "", `the file with the manifest, YAML or JSON; "-" for standard input`)
	return cmd
}

func readFile(stdin io.Reader, file string) ([]byte, error) {
	var text []byte
	var err error
	switch file {
	case "":
		return nil, errors.New("which manifest is to be asked about? Give it with -f FILE")
	case "-":
		text, err = io.ReadAll(stdin)
	default:
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return text, nil
}

// whatIf asks about one gang and writes the answer.
func (s *session) whatIf(ctx context.Context, out io.Writer, format output, gang manifest.Gang) error {
	pods := gang.Question.Pods
	cluster, err := s.additions(ctx, pods)
	if err != nil {
		return err
	}
	for i := range pods {
		if err := cluster.Admit(&pods[i]); err != nil {
			return err
		}
	}
	answer, err := s.WhatIf(ctx, gang.Question)
	if err != nil {
		return err
	}
	return format.write(out, answer, func(look explain.Look) (string, error) {
		return answer.Text(gang.Title, time.Now(), look), nil
	})
}

// additions reads what the cluster adds to pods, which are of one namespace.
func (s *session) additions(ctx context.Context, pods []corev1.Pod) (manifest.Cluster, error) {
	var (
		priorities schedulingv1.PriorityClassList
		limits     corev1.LimitRangeList
		runtimes   nodev1.RuntimeClassList
	)
	err := s.cluster.Get(ctx, kube.PriorityClasses, "", "", &priorities)
	if err == nil {
		err = s.cluster.Get(ctx, kube.LimitRanges, pods[0].Namespace, "", &limits)
	}
	for _, pod := range pods {
		if err == nil && pod.Spec.RuntimeClassName != nil {
			err = s.cluster.Get(ctx, kube.RuntimeClasses, "", "", &runtimes)
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("finding out what the cluster adds to new pods: %w", err)
	}
	return manifest.Cluster{PriorityClasses: priorities.Items, LimitRanges: limits.Items, RuntimeClasses: runtimes.Items}, err
}
