package localcluster

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	kwokv1alpha1 "sigs.k8s.io/kwok/pkg/apis/v1alpha1"
	kwok "sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"
	"sigs.k8s.io/yaml"
)

//go:embed stages/*.yaml
var stageFiles embed.FS

// podCIDR is where pods get their addresses from; nothing routes them.
const podCIDR = "10.64.0.0/10"

// startKwok lets kwok play every node and the pods on it, by the stages of the
// folder stages.
func startKwok(config *rest.Config, logs io.Writer) (*part, error) {
	stages, err := readStages(stageFiles)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("start kwok: %w", err)
	}
	controller, err := kwok.NewController(kwok.Config{
		TypedClient:               kwokClient{client},
		RESTClient:                client.RESTClient(),
		ManageAllNodes:            true,
		CIDR:                      podCIDR,
		LocalStages:               stages,
		PodPlayStageParallelism:   8,
		NodePlayStageParallelism:  4,
		PodsOnNodeSyncParallelism: 1,
		FuncMap:                   statusFuncs(time.Now),
	})
	if err != nil {
		return nil, fmt.Errorf("start kwok: %w", err)
	}
	started := make(chan error, 1)
	p := startPart(Kwok, func(ctx context.Context) error {
		ctx = log.NewContext(ctx, log.NewLogger(logs, log.LevelWarn))
		err := controller.Start(ctx)
		started <- err
		if err == nil {
			<-ctx.Done()
		}
		return err
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start kwok: %w", err)
	}
	return p, nil
}

// readStages reads every document of every file, by the kind that it is about.
func readStages(files fs.FS) (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	stages := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	paths, err := fs.Glob(files, "stages/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("find stages: %w", err)
	}
	for _, path := range paths {
		data, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("read stages: %w", err)
		}
		for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
			var stage kwokv1alpha1.Stage
			if err := yaml.UnmarshalStrict(document, &stage); err != nil {
				return nil, fmt.Errorf("read stages of %s: %w", path, err)
			}
			internal, err := internalversion.ConvertToInternalStage(&stage)
			if err != nil {
				return nil, fmt.Errorf("read stage %s: %w", stage.Name, err)
			}
			ref := internal.Spec.ResourceRef
			stages[ref] = append(stages[ref], internal)
		}
	}
	return stages, nil
}

// statusFuncs are what the templates of the stages call. Each takes the object
// as the template sees it and returns its new status.
func statusFuncs(now func() time.Time) gotpl.FuncMap {
	return gotpl.FuncMap{
		"Started": func(pod any, hostIP, podIP string) (string, error) {
			return status(pod, func(p *corev1.Pod) corev1.PodStatus { return started(p, hostIP, podIP, now()) })
		},
		"Ended": func(pod any) (string, error) {
			return status(pod, func(p *corev1.Pod) corev1.PodStatus { return ended(p, now()) })
		},
		"Killed": func(pod any) (string, error) {
			return status(pod, func(p *corev1.Pod) corev1.PodStatus { return killed(p, now()) })
		},
		"Ready": func(node any) (string, error) {
			return status(node, func(n *corev1.Node) corev1.NodeStatus { return readyStatus(n, now()) })
		},
		"Lost": func(node any) (string, error) {
			return status(node, func(n *corev1.Node) corev1.NodeStatus { return lostStatus(n, now()) })
		},
	}
}

// status turns the template's value into the typed object and the new status
// into a patch. Fields that the status leaves empty are not in the patch.
func status[Object, Status any](value any, next func(*Object) Status) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", value, err)
	}
	object := new(Object)
	if err := json.Unmarshal(data, object); err != nil {
		return "", fmt.Errorf("decode %T: %w", object, err)
	}
	patch, err := json.Marshal(next(object))
	if err != nil {
		return "", fmt.Errorf("encode status: %w", err)
	}
	return strings.TrimSpace(string(patch)), nil
}
