package integration

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

// notebook is a Notebook with one container.
func notebook(name string, edits ...func(*notebookv1.Notebook)) *notebookv1.Notebook {
	nb := &notebookv1.Notebook{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}}}
	nb.Spec.Template.Spec.Containers = []corev1.Container{{Name: name, Image: "jupyter", Resources: corev1.ResourceRequirements{Limits: cpu(1)}}}
	for _, edit := range edits {
		edit(nb)
	}
	return nb
}

// with sets an annotation.
func with(key, value string) func(*notebookv1.Notebook) {
	return func(nb *notebookv1.Notebook) { metav1.SetMetaDataAnnotation(&nb.ObjectMeta, key, value) }
}

// expectReady waits until the notebook says that it can be used, and nothing is wrong.
func (e *env) expectReady(name string) {
	e.Helper()
	e.eventually("notebook "+name+" is ready", func(context.Context) (bool, string) {
		status := now(e, notebook(name)).Status
		ready := slices.ContainsFunc(status.Conditions, func(c notebookv1.NotebookCondition) bool {
			return c.Type == string(corev1.PodReady) && c.Status == string(corev1.ConditionTrue)
		})
		return ready && status.ReadyReplicas == 1 && status.ContainerState.Running != nil && status.Conditions[0].Type != notebookv1.NotebookDegraded,
			fmt.Sprintf("%+v", status)
	})
}

// expectDegraded waits until the notebook says what is wrong, in its status and by an event.
func (e *env) expectDegraded(name, reason, words string) {
	e.Helper()
	e.eventually(fmt.Sprintf("notebook %s is degraded for %s", name, reason), func(context.Context) (bool, string) {
		status := now(e, notebook(name)).Status
		return len(status.Conditions) > 0 && status.Conditions[0].Type == notebookv1.NotebookDegraded &&
			status.Conditions[0].Reason == reason && strings.Contains(status.Conditions[0].Message, words), fmt.Sprintf("%+v", status)
	})
	e.expectEvent("Notebook", name, reason, words)
}

// A notebook as Kubeflow's own tools write it, from its creation to its end: served, stopped, started, edited, deleted.
func TestNotebook(t *testing.T) {
	e := setUp(t, node("node", cpu(4), nodeLabel("disk", "a")))
	e.create(localClass(), volume("home-"+e.namespace, "disk", "a", corev1.ReadWriteOnce), claim("home", "home-"+e.namespace, corev1.ReadWriteOnce))
	idle := []any{map[string]any{"id": "k", "execution_state": "idle", "last_activity": since(0)}}
	e.serve("nb", jupyter(idle, []any{}))
	e.do(e.client.Create(t.Context(), e.manifest(`
apiVersion: kubeflow.org/v1beta1
kind: Notebook
metadata:
  name: nb
  labels: {team: vision, scheduling.muster.dev/queue: default}
  annotations:
    scheduling.muster.dev/packing: spread
    notebooks.kubeflow.org/creator: ann@example.com
    notebooks.kubeflow.org/server-type: jupyter
spec:
  template:
    spec:
      containers:
      - {name: nb, image: jupyter, resources: {limits: {cpu: "0.5"}}, volumeMounts: [{name: home, mountPath: /home/jovyan}],
         readinessProbe: {httpGet: {path: /api, port: notebook-port}}}
      volumes: [{name: home, persistentVolumeClaim: {claimName: home}}]
`)))
	pod := e.expectRunning("nb-0")
	e.expectNotebookPod(pod)
	service := now(e, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "nb"}}).Spec
	if port := service.Ports[0]; port.Name != "http-nb" || port.Port != 80 || port.TargetPort.IntVal != 8888 || service.Selector["statefulset"] != "nb" || len(service.Selector) != 1 {
		t.Errorf("service: %+v", service)
	}
	e.expectClaimBound("home")
	e.expectReady("nb")
	e.expectReissued("nb")

	e.expectNoWrites("nb", pod)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "nb"}}
	change(e, set, func(s *appsv1.StatefulSet) { // what the notebook says nothing about stays; what it says comes back
		s.Annotations["by"] = "hand"
		s.Spec.RevisionHistoryLimit = new(int32(3))
		s.Spec.Template.Spec.Containers[0].Image = "other"
	})
	e.eventually("the image is that of the notebook again, and the rest as it was set", func(context.Context) (bool, string) {
		s := now(e, set)
		return s.Spec.Template.Spec.Containers[0].Image == "jupyter" && *s.Spec.RevisionHistoryLimit == 3 && s.Annotations["by"] == "hand", fmt.Sprintf("%+v", s.Spec)
	})

	change(e, notebook("nb"), func(nb *notebookv1.Notebook) { nb.Spec.Template.Spec.Containers[0].Image = "newer" })
	e.eventually("the pod has the new image", func(context.Context) (bool, string) {
		p := e.seen("nb-0")
		return p != nil && p.Spec.Containers[0].Image == "newer" && p.Status.Phase == corev1.PodRunning, fmt.Sprintf("%+v", p)
	})

	e.eventually("activity is noted", func(context.Context) (bool, string) {
		return now(e, notebook("nb")).Annotations[notebookv1.LastActivityAnnotation] != "", ""
	})
	change(e, notebook("nb"), with(notebookv1.StoppedAnnotation, "by hand"))
	e.expectPods()
	e.eventually("the notebook has stopped", func(context.Context) (bool, string) {
		nb := now(e, notebook("nb"))
		return nb.Status.ReadyReplicas == 0 && nb.Status.ContainerState.Running == nil && len(nb.Status.Conditions) == 0 &&
			nb.Annotations[notebookv1.LastActivityAnnotation] == "" && nb.Annotations[notebookv1.LastCheckAnnotation] == "", fmt.Sprintf("%+v", nb)
	})
	change(e, notebook("nb"), func(nb *notebookv1.Notebook) { delete(nb.Annotations, notebookv1.StoppedAnnotation) })
	e.expectRunning("nb-0")
	e.expectReady("nb")
	if is := now(e, set).Status; is.CurrentRevision != is.UpdateRevision {
		t.Errorf("stopping and starting has made another revision: %+v", is)
	}

	e.delete(e.named("nb"))
	e.expectPods()
	e.expectServices()
	e.expectNone(&appsv1.StatefulSet{}, "nb")
}

func (e *env) expectNotebookPod(pod *corev1.Pod) {
	e.Helper()
	server := pod.Spec.Containers[0]
	if pod.Spec.SchedulerName != "muster" || *pod.Spec.SecurityContext.FSGroup != 100 || server.WorkingDir != "/home/jovyan" ||
		server.Ports[0].ContainerPort != 8888 || variable(pod, "NB_PREFIX") != "/notebook/"+e.namespace+"/nb" {
		e.Errorf("pod: %+v", pod.Spec)
	}
	for key, value := range map[string]string{"statefulset": "nb", "notebook-name": "nb", "team": "vision", "scheduling.muster.dev/queue": "default"} {
		if pod.Labels[key] != value {
			e.Errorf("label %s: %q, want %q", key, pod.Labels[key], value)
		}
	}
	if pod.Annotations["scheduling.muster.dev/packing"] != "spread" || pod.Annotations["notebooks.kubeflow.org/creator"] != "" {
		e.Errorf("annotations: %v", pod.Annotations)
	}
}

// expectReissued waits until the event of the StatefulSet that made the pod is told on the notebook, and checks that another
// manager does not tell it again.
func (e *env) expectReissued(name string) {
	e.Helper()
	const reason, words = "SuccessfulCreate", "Reissued from statefulset/"
	e.expectEvent("Notebook", name, reason, words)
	e.killManager()
	set := now(e, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name}})
	e.create(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "further"},
		InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Namespace: e.namespace, Name: name, UID: set.UID},
		Type:           corev1.EventTypeNormal, Reason: "Further", Message: "something else", LastTimestamp: metav1.Now(),
	})
	e.expectEvent("Notebook", name, "Further", words) // this manager has seen all events
	told := 0
	for _, event := range e.events("Notebook", name) {
		if event.Reason == reason && strings.Contains(event.Message, words) && strings.Contains(event.Message, name+"-0 ") {
			told++
		}
	}
	if told != 1 {
		e.Errorf("told %d times: %+v", told, e.events("Notebook", name))
	}
}

// expectNoWrites checks that nobody writes anything about a notebook that has settled while it is looked at: for its activity,
// and for what changes about its pod. What goes on elsewhere, in namespaces of earlier tests that are still ending, is over
// sooner or later.
func (e *env) expectNoWrites(name string, pod *corev1.Pod) {
	e.Helper()
	var before, after map[string]int
	var told []corev1.Event
	for i := range 40 {
		before, told = writes(e, "notebooks", "statefulsets", "services", "controllerrevisions"), e.events("Notebook", name)
		change(e, pod, func(p *corev1.Pod) { metav1.SetMetaDataAnnotation(&p.ObjectMeta, "touched", fmt.Sprint(i)) })
		e.expectAsked(8, name)
		after = writes(e, "notebooks", "statefulsets", "services", "controllerrevisions")
		if maps.Equal(before, after) && reflect.DeepEqual(told, e.events("Notebook", name)) {
			return
		}
	}
	e.Errorf("a settled notebook causes writes: %v, before %v; told %v, before %v", after, before, e.events("Notebook", name), told)
}

// What is wrong with a notebook is told on it, and it goes on when that is put right.
func TestNotebookProblems(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	long := notebook(strings.Repeat("a", 53))
	long.Namespace = e.namespace
	if err := e.client.Create(t.Context(), long); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "may have at most 52 characters") {
		t.Errorf("a name that is too long: %v", err)
	}

	stranger := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "taken"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}}}
	e.create(stranger)
	e.do(e.client.Create(t.Context(), e.manifest("{apiVersion: kubeflow.org/v1alpha1, kind: Notebook, metadata: {name: malformed}, spec: {template: {spec: {containers: 7}}}}")))
	refused := notebook("refused", func(nb *notebookv1.Notebook) { nb.Spec.Template.Spec.Containers[0].Name = "Not_A_Name" })
	slow := notebook("slow", with(localcluster.StartDelayAnnotation, "1h"))
	e.create(refused, slow, notebook("taken"), notebook("idle", with(notebookv1.IdleTimeAnnotation, "soon")))
	e.expectDegraded("malformed", "InvalidTemplate", "spec.template.spec is not the spec of a pod")
	e.expectDegraded("refused", "Refused", "Not_A_Name")
	e.expectDegraded("taken", "NameTaken", "Service taken exists already and does not belong to this notebook")
	e.expectDegraded("idle", "InvalidIdleTime", `"soon"`)
	e.expectRunning("idle-0")
	if e.seen("malformed-0") != nil || e.seen("refused-0") != nil || now(e, stranger).UID != stranger.UID {
		t.Error("something was made of a notebook that cannot be run")
	}

	e.expectPodBound("slow-0") // and never becomes ready; without further ado it is replaced
	change(e, slow, func(nb *notebookv1.Notebook) { delete(nb.Annotations, localcluster.StartDelayAnnotation) })
	change(e, refused, func(nb *notebookv1.Notebook) { nb.Spec.Template.Spec.Containers[0].Name = "name" })
	change(e, notebook("idle"), func(nb *notebookv1.Notebook) { delete(nb.Annotations, notebookv1.IdleTimeAnnotation) })
	patch := `{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}}}`
	e.do(e.client.Patch(t.Context(), e.named("malformed"), client.RawPatch("application/merge-patch+json", []byte(patch))))
	e.delete(stranger)
	change(e, notebook("taken"), with("looked", "at again"))
	for _, name := range []string{"slow", "refused", "idle", "malformed", "taken"} {
		e.expectReady(name)
	}
}

// named is a notebook of the test's namespace, of which nothing else is known.
func (e *env) named(name string) *notebookv1.Notebook {
	return &notebookv1.Notebook{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name}}
}
