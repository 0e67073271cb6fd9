package training

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// kind is what sets one kind of training job apart from the others. Everything else is the same for all and is written
// once, in the other files of this package. The functions get jobs of the kind's own Go type, with defaults set.
type kind struct {
	// name is the kind as in a manifest, for example TFJob.
	name string

	// newJob returns an empty job.
	newJob func() trainingv1.Job

	// replicasField is the name of the map of replica types in spec.
	replicasField string

	// types are the replica types, leaders first. It is the order in which pods are counted for a gang's resources.
	types []trainingv1.ReplicaType

	// leaders are the types that lead the job where they exist: they say whether it runs and how it ends. Where none
	// exists, the workers do.
	leaders []trainingv1.ReplicaType

	// masterRole is the type whose pods alone get the role master. Empty: those of the leading type, else worker 0.
	masterRole trainingv1.ReplicaType

	// worker is the type that computes.
	worker trainingv1.ReplicaType

	// container is the name of the main container, portName and port the port that it is given unless it has one of
	// that name.
	container string
	portName  string
	port      int32

	// restartPolicy is the default.
	restartPolicy trainingv1.RestartPolicy

	// setDefaults fills in what only this kind has. Nil: nothing.
	setDefaults func(job trainingv1.Job)

	// validate checks what only this kind has. Nil: nothing.
	validate func(job trainingv1.Job) field.ErrorList

	// environment returns what tells the containers of a new pod about the other pods. What is the same for all pods is
	// worked out only once.
	environment func(k *kind, config Config, job trainingv1.Job) injector

	// succeeded says whether a job without a leader has ended well. The members are all workers, or all there are if
	// the job has no worker. Nil: when all of them have.
	succeeded func(job trainingv1.Job, workers []member) bool

	// tolerates says whether the job goes on when a pod of this type fails for good, as long as others of the type are
	// left. Nil: never.
	tolerates func(job trainingv1.Job, rtype trainingv1.ReplicaType) bool

	// elastic returns the job's elastic policy, nil if it has none. Nil: this kind has no such thing.
	elastic func(job trainingv1.Job) *trainingv1.ElasticPolicy
}

// injector adds to the containers of the pod of a member.
type injector func(m member, pod *corev1.PodSpec)

func (k *kind) gvk() schema.GroupVersionKind {
	return trainingv1.GroupVersion.WithKind(k.name)
}

// operator is the value of the label that says which controller a pod belongs to.
func (k *kind) operator() string {
	return strings.ToLower(k.name) + "-controller"
}

// inAllContainers adds variables to every container. They come behind those of the user: where both give one of the same
// name, it is the later that counts.
func inAllContainers(variables func(member) []corev1.EnvVar) injector {
	return func(m member, pod *corev1.PodSpec) {
		env := variables(m)
		for i := range pod.Containers {
			pod.Containers[i].Env = append(pod.Containers[i].Env, env...)
		}
	}
}

// leader is the replica type that leads the job, and false if the workers do.
func (k *kind) leader(job trainingv1.Job) (trainingv1.ReplicaType, bool) {
	for _, t := range k.leaders {
		if spec := job.Replicas()[t]; spec != nil && *spec.Replicas > 0 {
			return t, true
		}
	}
	return "", false
}

// isMaster says whether a pod gets the role master.
func (k *kind) isMaster(job trainingv1.Job, rtype trainingv1.ReplicaType, index int32) bool {
	if k.masterRole != "" {
		return rtype == k.masterRole
	}
	if leader, ok := k.leader(job); ok {
		return rtype == leader
	}
	return rtype == k.worker && index == 0
}

// elasticPolicy returns the job's elastic policy, nil if it has none.
func (k *kind) elasticPolicy(job trainingv1.Job) *trainingv1.ElasticPolicy {
	if k.elastic == nil {
		return nil
	}
	return k.elastic(job)
}

// labels are those of everything that belongs to the job.
func (k *kind) labels(job trainingv1.Job) map[string]string {
	return map[string]string{
		trainingv1.OperatorNameLabel: k.operator(),
		trainingv1.JobNameLabel:      job.GetName(),
	}
}

func (k *kind) ownerReference(job trainingv1.Job) metav1.OwnerReference {
	return *metav1.NewControllerRef(job, k.gvk())
}

// mainContainer returns the container of that name, nil if there is none.
func mainContainer(containers []corev1.Container, name string) *corev1.Container {
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}

// portOf is the number of the named port of the type's main container, and the kind's default where that is unset.
func (k *kind) portOf(job trainingv1.Job, rtype trainingv1.ReplicaType) int32 {
	if spec := job.Replicas()[rtype]; spec != nil {
		if c := mainContainer(spec.Template.Spec.Containers, k.container); c != nil {
			for _, p := range c.Ports {
				if p.Name == k.portName {
					return p.ContainerPort
				}
			}
		}
	}
	return k.port
}

// totalReplicas is the number of pods of a job.
func totalReplicas(job trainingv1.Job) int32 {
	var n int32
	for _, spec := range job.Replicas() {
		n += *spec.Replicas
	}
	return n
}
