package training

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// kind is what sets one kind of training job apart from the others. Everything else is the same for all and is written
// once, in the other files of this package. The functions get jobs of the kind's own Go type, with defaults set.
type kind struct {
	// name is the kind as in a manifest, for example TFJob.
	name string

	// version is that of the job's API in what it owns. Empty: v1.
	version string

	// operatorName is the value of the label that says which controller something belongs to. Empty: <kind>-controller.
	operatorName string

	// manager is a value of managedBy with which jobs are run, besides the one that every kind has. Empty: none.
	manager string

	// newJob returns an empty job.
	newJob func() trainingv1.Job

	// variant returns the kind that a job is when those of one name are not all alike. Nil: they are.
	variant func(job trainingv1.Job) *kind

	// replicasField is the name of the map of replica types in spec.
	replicasField string

	// types are the replica types, leaders first. It is the order in which pods are counted for a gang's resources.
	types []trainingv1.ReplicaType

	// leaders are the types that lead the job where they exist: they say whether it runs and how it ends. Where none
	// exists, the workers do.
	leaders []trainingv1.ReplicaType

	// masterRole is the type whose pods alone get the role master. Empty: those of the leading type, else worker 0.
	masterRole trainingv1.ReplicaType

	// typeLabel is the label that tells a pod's type. Empty: ReplicaTypeLabel. If it is JobRoleLabel, no pod is master.
	typeLabel string

	// labelIndex is what the label of a pod's index says, nothing if it is to have none. Nil: the index.
	labelIndex func(job trainingv1.Job, m member) string

	// podName is the name of a pod. Nil: <job>-<type>-<index>.
	podName func(job string, t trainingv1.ReplicaType, index int32) string

	// replicas is the default number of pods of a type, where that is not 1.
	replicas map[trainingv1.ReplicaType]int32

	// worker is the type that computes.
	worker trainingv1.ReplicaType

	// container is the name of the main container. Empty: it is the first one.
	container string

	// portName and port are those of the port that the main container is given unless it has one of that name. Without a
	// name there is no such port, and pods have no services of their own.
	portName string
	port     int32

	// restartPolicy is the default. Empty: setDefaults sets it.
	restartPolicy trainingv1.RestartPolicy

	// setDefaults fills in what only this kind has, before the policy's defaults. Nil: nothing.
	setDefaults func(job trainingv1.Job)

	// validate checks what only this kind has. Nil: nothing.
	validate func(job trainingv1.Job) field.ErrorList

	// environment returns what tells the containers of a new pod about the other pods. What is the same for all pods is
	// worked out only once.
	environment func(k *kind, config Config, job trainingv1.Job) injector

	// running says whether a job runs. Nil: when a pod does that leads it.
	running func(job trainingv1.Job, members []member) bool

	// succeeded says whether a job without a leader has ended well. The members are all workers, or all there are if
	// the job has no worker. Nil: when all of them have.
	succeeded func(job trainingv1.Job, workers []member) bool

	// tolerates says whether the job goes on when a pod of this type fails for good, as long as others of the type are
	// left. Nil: never.
	tolerates func(job trainingv1.Job, rtype trainingv1.ReplicaType) bool

	// excused says whether a pod failed only because of what happened to another, so that it is replaced and nothing
	// counted. Nil: never.
	excused func(m member, members []member) bool

	// kept is the type whose pods stay when a job has finished, whatever cleanPodPolicy says. Empty: none.
	kept trainingv1.ReplicaType

	// support returns what the pods of a job need besides services and PodGroup. It is made before them, kept up to date
	// while the job runs, and stays as long as the job. It must be able to do so for jobs that are not valid. Nil: nothing.
	support func(k *kind, config Config, job trainingv1.Job, members []member) []client.Object

	// supportTypes are the types of those objects.
	supportTypes []client.Object

	// elastic returns the job's elastic policy, nil if it has none. Nil: this kind has no such thing.
	elastic func(job trainingv1.Job) *trainingv1.ElasticPolicy
}

// injector adds to the containers of the pod of a member.
type injector func(m member, pod *corev1.PodSpec)

// of is the kind that a job is.
func (k *kind) of(job trainingv1.Job) *kind {
	if k.variant == nil {
		return k
	}
	return k.variant(job)
}

func (k *kind) gvk() schema.GroupVersionKind {
	gvk := trainingv1.GroupVersion.WithKind(k.name)
	if k.version != "" {
		gvk.Version = k.version
	}
	return gvk
}

// operator is the value of the label that says which controller a pod belongs to.
func (k *kind) operator() string {
	if k.operatorName != "" {
		return k.operatorName
	}
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
	if k.typeLabel == trainingv1.JobRoleLabel {
		return false
	}
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

// mainContainer returns the container of that name, the first if the name is empty, nil if there is none.
func mainContainer(containers []corev1.Container, name string) *corev1.Container {
	for i := range containers {
		if containers[i].Name == name || name == "" {
			return &containers[i]
		}
	}
	return nil
}

// mainOf is the name of the main container of a pod, which may be nil.
func (k *kind) mainOf(pod *corev1.Pod) string {
	if k.container == "" && pod != nil && len(pod.Spec.Containers) > 0 {
		return pod.Spec.Containers[0].Name
	}
	return k.container
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
