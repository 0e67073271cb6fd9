package trainer

import (
	"strings"
	"testing"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

const tuned = `
mlPolicy: {numNodes: 1, torch: {}}
template:
  spec:
    replicatedJobs:
    - name: node
      template:
        metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
        spec: {template: {spec: {containers: [{name: node, image: tune, command: [tune, run, recipe, output_dir=/out, dataset=x], resources: {limits: {nvidia.com/gpu: 2}}}]}}}
`

func TestTune(t *testing.T) {
	for _, test := range []struct{ trainer, want string }{
		{`command: [tune, run], args: [epochs=3]`, "tune run --rdzv_endpoint=job-node-0-0.job:29500 full_finetune_distributed --config llama3_2/1B_full output_dir=/out | epochs=3"},
		{`command: [tune, run], resourcesPerNode: {limits: {nvidia.com/gpu: 1}}`, "tune run full_finetune_single_device --config llama3_2/1B_full_single_device output_dir=/out | "},
		{`command: [tune, run], args: ["model.lora_attn_modules=[q]"]`, "tune run --rdzv_endpoint=job-node-0-0.job:29500 lora_finetune_distributed --config llama3_2/1B_lora output_dir=/out | model.lora_attn_modules=[q]"},
		{`command: [tune, run], numProcPerNode: 1, args: [model.quantize_base=True]`, "tune run lora_finetune_single_device --config llama3_2/1B_qlora_single_device output_dir=/out | model.quantize_base=True"},
		{`command: [tune, run], numNodes: 2`, "tune run --rdzv_endpoint=job-node-0-0.job:29500 full_finetune_distributed --config llama3_2/1B_full_multinode output_dir=/out | "},
		{`command: [tune, run, mine]`, "tune run mine | "},
		{`command: [tune, run], args: [output_dir=/mine]`, "spec.trainer.args[0]: output_dir is set by the runtime"},
	} {
		job := trainJob(t, "{metadata: {name: job}, spec: {runtimeRef: {name: torchtune-llama3.2-1b}, trainer: {"+test.trainer+"}}}")
		made, err := expand(parse[trainerv1alpha1.TrainingRuntimeSpec](t, tuned), job)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			c := nodeContainer(made.jobNamed("node"))
			got = strings.Join(c.Command, " ") + " | " + strings.Join(c.Args, " ")
		}
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.trainer, got, test.want)
		}
	}
}
