package workload

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestRanks(t *testing.T) {
	const (
		indexed = "spec: {completionMode: Indexed, parallelism: 4, completions: 4}"
		inside  = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: llm-w-1}\nspec: {completionMode: Indexed, parallelism: 2, completions: 2}"
	)
	type labels = map[string]string
	index := func(i string) labels { return labels{"batch.kubernetes.io/job-completion-index": i} }
	inSet := labels{"batch.kubernetes.io/job-completion-index": "1", "jobset.sigs.k8s.io/job-index": "1", replicatedJobLabel: "w"}
	for name, c := range map[string]struct {
		object, job              string
		labels                   labels
		pod, hostname, subdomain string
		want, role               string // NNODES NODE_RANK MASTER_ADDR
	}{
		"Indexed Job":                    {object: job + indexed, labels: index("2"), hostname: "llm-2", subdomain: "net", want: "4 2 llm-0.net"},
		"Job of a set that is no JobSet": {object: job + indexed, labels: labels{"batch.kubernetes.io/job-completion-index": "2", jobSetLabel: "x"}, hostname: "llm-2", subdomain: "net"},
		"without a name in DNS":          {object: job + indexed, labels: index("2"), hostname: "llm-2"},
		"with a host name of its own":    {object: job + indexed, labels: index("2"), hostname: "mine", subdomain: "net"},
		"an index beyond the size":       {object: job + indexed, labels: index("4"), hostname: "llm-4", subdomain: "net"},
		"pods that take turns":           {object: job + "spec: {completionMode: Indexed, parallelism: 2, completions: 4}", labels: index("1"), hostname: "llm-1", subdomain: "net"},
		"no indices":                     {object: job + "spec: {parallelism: 4, completions: 4}", hostname: "llm-2", subdomain: "net"},
		"one pod":                        {object: job + "spec: {completionMode: Indexed}", labels: index("0"), hostname: "llm-0", subdomain: "net"},
		"JobSet of one replicated job":   {object: jobSet + "spec: {replicatedJobs: [{name: w, replicas: 3, template: {}}]}", job: inside, labels: inSet, hostname: "llm-w-1-1", subdomain: "llm", want: "6 3 llm-w-0-0.llm", role: "w"},
		"JobSet of several":              {object: jobSet + "spec: {replicatedJobs: [{name: w, replicas: 3, template: {}}, {name: v, template: {}}]}", job: inside, labels: inSet, hostname: "llm-w-1-1", subdomain: "llm", role: "w"},
		"JobSet with a coordinator":      {object: jobSet + "spec: {coordinator: {replicatedJob: w}, replicatedJobs: [{name: w, replicas: 3, template: {}}]}", job: inside, labels: inSet, hostname: "llm-w-1-1", subdomain: "llm", role: "w"},
		"JobSet whose Job is not known":  {object: jobSet + "spec: {replicatedJobs: [{name: w, replicas: 3, template: {}}]}", labels: inSet, hostname: "llm-w-1-1", subdomain: "llm", role: "w"},
		"leader":                         {object: lws + "spec: {leaderWorkerTemplate: {size: 3}}", pod: "llm-1", subdomain: "llm", want: "3 0 llm-1.llm", role: "leader"},
		"worker":                         {object: lws + "spec: {leaderWorkerTemplate: {size: 3}}", pod: "llm-1-2", subdomain: "llm", want: "3 2 llm-1.llm", role: "worker"},
		"worker beyond the size":         {object: lws + "spec: {leaderWorkerTemplate: {size: 3}}", pod: "llm-1-3", subdomain: "llm", role: "worker"},
		"pod of another name":            {object: lws + "spec: {leaderWorkerTemplate: {size: 3}}", pod: "llm-1-2-3", subdomain: "llm"},
		"PyTorchJob":                     {object: "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {name: llm}\nspec: {pytorchReplicaSpecs: {Worker: {replicas: 3}}}", pod: "llm-worker-1", subdomain: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: c.pod, Labels: c.labels}, Spec: corev1.PodSpec{Hostname: c.hostname, Subdomain: c.subdomain}}
			var inner *unstructured.Unstructured
			if c.job != "" {
				inner = read(t, c.job)
			}
			object := read(t, c.object)
			got := ""
			if ranks := Ranks(object, inner, pod); len(ranks) > 0 {
				got = fmt.Sprintf("%s %s %s", ranks[0].Value, ranks[1].Value, ranks[2].Value)
				if ranks[3].Name != "PET_MASTER_PORT" || ranks[3].Value != "29500" {
					t.Errorf("the port is %+v", ranks[3])
				}
			}
			if role := Role(object, pod); got != c.want || role != c.role {
				t.Errorf("got %q as %q, expected %q as %q", got, role, c.want, c.role)
			}
		})
	}
}
