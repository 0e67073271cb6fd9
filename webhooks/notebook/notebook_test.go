package notebook

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
	"github.com/muster-scheduling/muster/internal/workload"
)

const gpu = "nvidia.com/gpu"

// notebook is the pod of a notebook with a GPU.
func notebook(namespace, name string, edits ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{label: name}, Annotations: map[string]string{}}}
	one := corev1.ResourceList{gpu: resource.MustParse("1")}
	pod.Spec.Containers = []corev1.Container{{Name: name, Resources: corev1.ResourceRequirements{Limits: one, Requests: one}}}
	for _, edit := range edits {
		edit(pod)
	}
	return pod
}

func firmFor(user string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Annotations[v1alpha1.PreemptibleAnnotation], pod.Annotations[v1alpha1.FirmForAnnotation] = "false", user
	}
}

func in(queue string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Labels[v1alpha1.QueueLabel] = queue }
}

func ended(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed }

func queue(name, parent string, gpus string) *v1alpha1.Queue {
	q := &v1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.QueueSpec{Parent: parent}}
	if gpus != "" {
		q.Spec.Guarantee = map[corev1.ResourceName]resource.Quantity{gpu: resource.MustParse(gpus)}
	}
	return q
}

func TestLook(t *testing.T) {
	byAnn := workload.Owner{Annotations: map[string]string{creator: "ann"}}
	for name, c := range map[string]struct {
		pod    *corev1.Pod
		owners []workload.Owner
		others []client.Object
		want   podpolicy.FirmUse
	}{
		"the first, where nobody made a queue": {pod: notebook("team", "a"), owners: []workload.Owner{byAnn}, want: podpolicy.FirmUse{User: "ann", Fits: true}},
		"whose namespace it is":                {pod: notebook("bobs", "a"), want: podpolicy.FirmUse{User: "bob", Fits: true}},
		"of nobody in particular":              {pod: notebook("team", "a"), want: podpolicy.FirmUse{Fits: true}},
		"what is counted": {pod: notebook("team", "a"), owners: []workload.Owner{byAnn}, others: []client.Object{
			notebook("team", "a", firmFor("ann")), // its own last pod
			notebook("team", "b", firmFor("ann")), notebook("team", "c", firmFor("bob")), notebook("other", "d", firmFor("ann")),
			notebook("team", "e"), notebook("team", "f", firmFor("ann"), ended),
			notebook("team", "g", func(p *corev1.Pod) { p.Annotations[v1alpha1.PreemptibleAnnotation] = "false" }), // somebody's
		}, want: podpolicy.FirmUse{User: "ann", Pods: 2, Fits: true}},
		"a queue that guarantees enough":     {pod: notebook("team", "a", in("desk")), others: []client.Object{queue("desk", "", "1")}, want: podpolicy.FirmUse{Fits: true}},
		"a queue that guarantees nothing":    {pod: notebook("team", "a", in("desk")), others: []client.Object{queue("desk", "", "")}},
		"a parent that guarantees nothing":   {pod: notebook("team", "a", in("desk")), others: []client.Object{queue("desk", "top", "1"), queue("top", "", "")}},
		"a queue whose guarantee is used up": {pod: notebook("team", "a", in("desk")), others: []client.Object{queue("desk", "", "1"), notebook("other", "b", in("desk"), firmFor("bob"))}},
		"a queue of another's notebooks too": {pod: notebook("team", "a", in("desk")), others: []client.Object{queue("desk", "", "1"), notebook("other", "b", in("lab"), firmFor("bob"))}, want: podpolicy.FirmUse{Fits: true}},
		"the queue of the namespace":         {pod: notebook("bobs", "a"), others: []client.Object{queue("bobs-queue", "", "1"), notebook("bobs", "b", firmFor("ann"))}, want: podpolicy.FirmUse{User: "bob"}},
		"no notebook":                        {pod: notebook("team", "a", func(p *corev1.Pod) { p.Labels = nil })},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := clientgoscheme.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			bobs := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bobs", Annotations: map[string]string{owner: "bob"}, Labels: map[string]string{v1alpha1.QueueLabel: "bobs-queue"}}}
			if c.pod.Namespace == "bobs" && len(c.others) == 0 {
				bobs.Labels = nil
			}
			objects := append(c.others, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, bobs)
			r := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
			around := podpolicy.Surroundings{Firm: &podpolicy.FirmUse{}}
			if c.pod.Namespace == "bobs" {
				around.Namespace.Labels = bobs.Labels
			}
			for range 2 { // as often as policies want to know more
				if err := Look(t.Context(), r, c.pod, c.owners, &around); err != nil {
					t.Fatal(err)
				}
			}
			if *around.Firm != c.want {
				t.Errorf("got %+v, expected %+v", *around.Firm, c.want)
			}
		})
	}
}

func TestLookOnlyWhereItIsWanted(t *testing.T) {
	around := podpolicy.Surroundings{}
	if err := Look(t.Context(), nil, notebook("team", "a"), nil, &around); err != nil || around.Firm != nil { // r would panic
		t.Errorf("got %+v, %v", around.Firm, err)
	}
}
