package manifest

import (
	"fmt"
	"io/fs"

	"sigs.k8s.io/yaml"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	"github.com/muster-scheduling/muster/controllers/trainer"
	"github.com/muster-scheduling/muster/manifests"
)

// runtimeKey names a training runtime: the namespace is empty for one of the cluster.
type runtimeKey struct{ namespace, name string }

// addRuntimes takes in the training runtimes of a manifest, beside those that come with Muster.
func (c *collection) addRuntimes(objects []object) error {
	c.runtimes = map[runtimeKey]*trainerv1alpha1.TrainingRuntimeSpec{}
	paths, err := fs.Glob(manifests.Runtimes, "runtimes/*.yaml")
	if err != nil {
		return fmt.Errorf("finding training runtimes: %w", err)
	}
	for _, path := range paths {
		text, err := fs.ReadFile(manifests.Runtimes, path)
		if err != nil {
			return fmt.Errorf("reading training runtimes: %w", err)
		}
		var runtime trainerv1alpha1.ClusterTrainingRuntime
		if err := yaml.Unmarshal(text, &runtime); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		c.runtimes[runtimeKey{"", runtime.Name}] = &runtime.Spec
	}
	for _, o := range objects {
		if o.APIVersion != trainerv1alpha1.GroupVersion.String() {
			continue
		}
		var runtime trainerv1alpha1.TrainingRuntime // the other kind is the same but for its scope
		switch o.Kind {
		case trainerv1alpha1.TrainingRuntimeKind:
		case trainerv1alpha1.ClusterTrainingRuntimeKind:
			o.Namespace = ""
		default:
			continue
		}
		if err := o.decode(&runtime); err != nil {
			return err
		}
		c.runtimes[runtimeKey{o.Namespace, o.Name}] = &runtime.Spec
	}
	return nil
}

// addTrainJob takes in what the controller would create for a TrainJob, in the end.
func (c *collection) addTrainJob(o object) error {
	var job trainerv1alpha1.TrainJob
	if err := o.decode(&job); err != nil {
		return err
	}
	job.Name = o.Name
	key := runtimeKey{"", job.Spec.RuntimeRef.Name}
	if kind := job.Spec.RuntimeRef.Kind; kind != nil && *kind == trainerv1alpha1.TrainingRuntimeKind {
		key.namespace = o.Namespace
	}
	runtime := c.runtimes[key]
	if runtime == nil {
		return fmt.Errorf("%s is made from the runtime %s, which is neither in the manifest nor one that comes with Muster", o.title(), key.name)
	}
	groups, pods, err := trainer.Preview(runtime, &job)
	if err != nil {
		return err
	}
	for _, group := range groups {
		title := o.title()
		if group.Name != o.Name {
			title = fmt.Sprintf("PodGroup %s/%s", group.Namespace, group.Name)
		}
		if err := c.addGroup(title, group); err != nil {
			return err
		}
	}
	c.addMembers(o, pods)
	return nil
}
