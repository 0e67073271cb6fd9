package explain

import "testing"

func TestOriginText(t *testing.T) {
	record := PolicyRecord{Policies: []string{"muster-training", "muster-gang", "muster-nvidia-gpu", "big"}, More: 3, Changes: []PolicyChange{
		{Policy: "muster-training", Field: "spec.schedulerName", From: "default-scheduler", To: "muster"},
		{Policy: "muster-training", Field: "spec.priorityClassName", To: "muster-training"},
		{Policy: "muster-nvidia-gpu", Field: "env NCCL_DEBUG", To: "WARN", Containers: 2},
		{Policy: "muster-gang", Field: "label scheduling.x-k8s.io/pod-group", To: "llm-0262f878"},
		{Policy: "muster-nvidia-gpu", Field: "toleration", To: "nvidia.com/gpu:NoSchedule"},
	}}
	origin := Origin{
		Workload: "Job llm", Minimum: 4, Why: "spec.parallelism 4, spec.completions 4", Policies: record.Applied(), More: record.More,
		Problems: []string{"PodPolicy big is not ready (NoPriorityClass): there is no PriorityClass \"huge\""},
	}
	golden(t, "origin", origin.Text(fine))
	if got := (Origin{}).Text(fine); got != "" {
		t.Errorf("of nothing it says %q", got)
	}
}
