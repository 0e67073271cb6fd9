package trainer

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// isTune says whether the job leaves it to the runtime what torchtune runs: its command is `tune run`, and no more.
func (e *expansion) isTune() bool {
	return e.policy.Torch != nil && slices.Equal(e.trainer.Command, []string{"tune", "run"})
}

// tuneSettings are the settings of torchtune that belong to the runtime: where the initializers have put things.
var tuneSettings = []string{"output_dir", "tokenizer.path", "tokenizer.merges_file", "checkpointer.checkpoint_dir"}

// keepTuneSettings returns those of a runtime's command.
func keepTuneSettings(command []string) []string {
	var kept []string
	for _, word := range command {
		if name, _, _ := strings.Cut(word, "="); slices.Contains(tuneSettings, name) {
			kept = append(kept, word)
		}
	}
	return kept
}

// tuneCommand is the command with the recipe and the configuration that fit the model, which is in the runtime's name, the
// number of nodes and processes, and the arguments. The arguments of the job come behind it.
func (e *expansion) tuneCommand(rjob *trainerv1alpha1.ReplicatedJob, c *corev1.Container) ([]string, error) {
	parts := strings.Split(e.job.Spec.RuntimeRef.Name, "-") // torchtune-llama3.2-1b
	if len(parts) != 3 {
		return nil, fmt.Errorf("spec.trainer.command: tune run needs a runtime that names a model, as torchtune-llama3.2-1b does")
	}
	for i, arg := range e.trainer.Args {
		if name, _, _ := strings.Cut(arg, "="); slices.Contains(tuneSettings, name) {
			return nil, fmt.Errorf("spec.trainer.args[%d]: %s is set by the runtime", i, name)
		}
	}
	model := strings.ReplaceAll(parts[1], ".", "_") + "/" + strings.ToUpper(parts[2])
	processes := e.torchProcesses(c)
	alone := podsOf(rjob) == 1 && (processes == "1" || gpus(c) == 1)
	recipe, suffix := e.tuneRecipe(podsOf(rjob), alone)
	command := []string{"tune", "run"}
	if podsOf(rjob) > 1 || !alone && (processes != "auto" || gpus(c) > 1) {
		command = append(command, fmt.Sprintf("--rdzv_endpoint=%s:%d", e.firstNode(rjob), rendezvousPort))
	}
	return append(append(command, recipe, "--config", model+suffix), e.tuneKept...), nil
}

// tuneRecipe is the recipe, and how its configurations end.
func (e *expansion) tuneRecipe(nodes int32, alone bool) (recipe, suffix string) {
	lora := slices.ContainsFunc(e.trainer.Args, func(arg string) bool { return strings.Contains(arg, "model.lora_attn_modules") })
	qlora := isOn(e.trainer.Args, "model.quantize_base") && !isOn(e.trainer.Args, "model.use_dora")
	kind := ""
	switch {
	case nodes > 1:
		return "full_finetune_distributed", "_full_multinode"
	case qlora:
		kind = "qlora"
	case lora:
		kind = "lora"
	}
	recipe, suffix = "full_finetune", "_full"
	if kind != "" {
		recipe, suffix = "lora_finetune", "_"+kind
	}
	if alone {
		return recipe + "_single_device", suffix + "_single_device"
	}
	return recipe + "_distributed", suffix
}

// isOn says whether a setting of torchtune is given as true.
func isOn(args []string, name string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		key, value, _ := strings.Cut(arg, "=")
		return key == name && strings.EqualFold(strings.TrimSpace(value), "true")
	})
}
