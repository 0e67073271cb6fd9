package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// yamlBlock is a block of YAML in a page.
var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestManifestsOfThePages applies what the page of each kind shows to nodes like those of make up: all that say how long
// they run there end well.
func TestManifestsOfThePages(t *testing.T) {
	whole := corev1.ResourceList{corev1.ResourceCPU: quantity("64"), corev1.ResourceMemory: quantity("512Gi"), gpuResource: quantity("8")}
	e := setUp(t, nodes(8, whole)...)
	pages, err := filepath.Glob("../../docs/*job.md")
	e.do(err)
	var jobs []*unstructured.Unstructured
	for _, page := range pages {
		text, err := os.ReadFile(page)
		e.do(err)
		shown := 0
		for _, block := range yamlBlock.FindAllSubmatch(text, -1) {
			manifest := strings.ReplaceAll(string(block[1]), "run-for: 60s", "run-for: 200ms")
			if strings.HasPrefix(manifest, "apiVersion:") && strings.Contains(manifest, "run-for: 200ms") {
				job := e.manifest(manifest)
				e.create(job)
				jobs = append(jobs, job)
				shown++
			}
		}
		if shown == 0 && !strings.Contains(string(text), "examples/") { // those are tested elsewhere
			t.Errorf("%s neither shows a manifest that runs nor names an example", page)
		}
	}
	for _, job := range jobs {
		e.eventually(fmt.Sprintf("%s %s succeeds", job.GetKind(), job.GetName()), func(ctx context.Context) (bool, string) {
			if err := e.client.Get(ctx, client.ObjectKeyFromObject(job), job); err != nil {
				return false, err.Error()
			}
			conditions, _, err := unstructured.NestedSlice(job.Object, "status", "conditions")
			for _, c := range conditions {
				if c, ok := c.(map[string]any); ok && c["status"] == "True" && (c["type"] == "Succeeded" || c["type"] == "Complete") {
					return true, ""
				}
			}
			return false, fmt.Sprint(conditions, err)
		})
	}
}
