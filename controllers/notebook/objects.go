package notebook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

const (
	defaultPort    = 8888
	defaultWorkDir = "/home/jovyan"
	prefixVariable = "NB_PREFIX"

	// templateAnnotation, on a StatefulSet, is a hash of the pod template that the Notebook asked for when it was last
	// written: what has been taken out of a template leaves no other trace.
	templateAnnotation = "notebooks.muster.dev/template"
)

// newStatefulSet is what runs a valid notebook. Its one pod is placed by itself: it is no gang.
func (c Config) newStatefulSet(nb *notebookv1.Notebook) *appsv1.StatefulSet {
	template := c.podTemplate(nb)
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{
			Name:            nb.Name,
			Namespace:       nb.Namespace,
			Labels:          map[string]string{notebookv1.NotebookNameLabel: nb.Name},
			Annotations:     map[string]string{templateAnnotation: hash(template)},
			OwnerReferences: []metav1.OwnerReference{ownerReference(nb)},
		},
		Spec: appsv1.StatefulSetSpec{
			Replicas: new(replicas(nb)),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{notebookv1.StatefulSetLabel: nb.Name}},
			// With the default, a pod that never became ready is not replaced when its template is corrected.
			PodManagementPolicy: appsv1.ParallelPodManagement,
			Template:            template,
		},
	}
}

// replicas is 0 for a notebook that is stopped, else 1.
func replicas(nb *notebookv1.Notebook) int32 {
	if stopped(nb) {
		return 0
	}
	return 1
}

// stopped says whether the notebook has been stopped, by whomever.
func stopped(nb *notebookv1.Notebook) bool {
	_, is := nb.Annotations[notebookv1.StoppedAnnotation]
	return is
}

func (c Config) podTemplate(nb *notebookv1.Notebook) corev1.PodTemplateSpec {
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(nb.Labels), Annotations: map[string]string{}},
		Spec:       *nb.Spec.Template.Spec.DeepCopy(),
	}
	if template.Labels == nil {
		template.Labels = map[string]string{}
	}
	template.Labels[notebookv1.StatefulSetLabel] = nb.Name
	template.Labels[notebookv1.NotebookNameLabel] = nb.Name
	for key, value := range nb.Annotations {
		if isForPod(key) {
			template.Annotations[key] = value
		}
	}
	spec := &template.Spec
	if spec.SchedulerName == "" {
		spec.SchedulerName = schedulingv1alpha1.SchedulerName
	}
	if spec.SecurityContext == nil && c.FSGroup != nil {
		spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: new(*c.FSGroup)}
	}
	completeServer(&spec.Containers[0], prefix(nb))
	return template
}

// isForPod says whether an annotation of a Notebook is one of its pod too: those of kubectl and of notebooks themselves
// are not. A stop is none of the pod's business either, and would make the template of each start another one.
func isForPod(key string) bool {
	return !strings.Contains(key, "kubectl") && !strings.Contains(key, "notebook") && key != notebookv1.StoppedAnnotation
}

// completeServer sets what a server needs to be reached under its prefix.
func completeServer(server *corev1.Container, prefix string) {
	if server.WorkingDir == "" {
		server.WorkingDir = defaultWorkDir
	}
	if len(server.Ports) == 0 {
		server.Ports = []corev1.ContainerPort{{Name: "notebook-port", ContainerPort: defaultPort, Protocol: corev1.ProtocolTCP}}
	}
	for i := range server.Env {
		if server.Env[i].Name == prefixVariable {
			server.Env[i] = corev1.EnvVar{Name: prefixVariable, Value: prefix}
			return
		}
	}
	server.Env = append(server.Env, corev1.EnvVar{Name: prefixVariable, Value: prefix})
}

// newService is the address of a valid notebook.
func newService(nb *notebookv1.Notebook) *corev1.Service {
	port := int32(defaultPort)
	if ports := nb.Spec.Template.Spec.Containers[0].Ports; len(ports) > 0 {
		port = ports[0].ContainerPort
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name:            nb.Name,
			Namespace:       nb.Namespace,
			Labels:          map[string]string{notebookv1.NotebookNameLabel: nb.Name},
			OwnerReferences: []metav1.OwnerReference{ownerReference(nb)},
		},
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: map[string]string{notebookv1.StatefulSetLabel: nb.Name},
			Ports: []corev1.ServicePort{{
				Name: "http-" + nb.Name, Port: 80, TargetPort: intstr.FromInt32(port), Protocol: corev1.ProtocolTCP,
			}},
		},
	}
}

func ownerReference(nb *notebookv1.Notebook) metav1.OwnerReference {
	return *metav1.NewControllerRef(nb, notebookv1.GroupVersion.WithKind("Notebook"))
}

func hash(template corev1.PodTemplateSpec) string {
	data, err := json.Marshal(template)
	if err != nil {
		panic("a pod template cannot be encoded: " + err.Error()) // it was decoded from JSON
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
