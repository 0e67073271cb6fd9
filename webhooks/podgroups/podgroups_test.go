package podgroups

import (
	"encoding/json"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

func group(minMember int32, minMembers, queue string) *podgroupv1alpha1.PodGroup {
	pg := &podgroupv1alpha1.PodGroup{Spec: podgroupv1alpha1.PodGroupSpec{MinMember: minMember}}
	if minMembers != "" {
		pg.Annotations = map[string]string{v1alpha1.MinMembersAnnotation: minMembers}
	}
	if queue != "" {
		pg.Labels = map[string]string{v1alpha1.QueueLabel: queue}
	}
	return pg
}

func TestHandle(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, podgroupv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	closed := &v1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: "closed"}}
	closed.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
	h := &Handler{Decoder: admission.NewDecoder(scheme), Reader: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		closed, &v1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: "open"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}},
	).Build()}
	wrong := `{"ps":2,"worker":2}`
	for name, c := range map[string]struct {
		group, before *podgroupv1alpha1.PodGroup // before is nil for one that is created
		fault         string
		warning       string
	}{
		"a gang":                         {group(3, `{"ps":1,"worker":2}`, ""), nil, "", ""},
		"roles beyond the minimum":       {group(3, wrong, ""), nil, "adds up to 4", ""},
		"no JSON":                        {group(3, "ps=1", ""), nil, "must be a JSON object", ""},
		"no member at all":               {group(0, "", ""), nil, "spec.minMember is 0", ""},
		"was wrong before":               {group(3, wrong, ""), group(3, "ps=1", ""), "", ""},
		"made wrong":                     {group(3, wrong, ""), group(4, wrong, ""), "adds up to 4", ""},
		"mended":                         {group(4, wrong, ""), group(3, wrong, ""), "", ""},
		"a queue":                        {group(1, "", "open"), nil, "", ""},
		"the queue that need not exist":  {group(1, "", "default"), nil, "", ""},
		"a queue that is yet to come":    {group(1, "", "none"), nil, "", `there is no queue "none"`},
		"which was told before":          {group(2, "", "none"), group(1, "", "none"), "", ""},
		"a queue of others":              {group(1, "", "closed"), nil, "", "takes no gangs of namespace ns"},
		"moved to a queue of others":     {group(1, "", "closed"), group(1, "", "open"), "", "takes no gangs of namespace ns"},
		"moved to a queue that is there": {group(1, "", "open"), group(1, "", "none"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Namespace: "ns", Operation: admissionv1.Create}}
			request.Object.Raw = encode(t, c.group)
			if c.before != nil {
				request.Operation, request.OldObject.Raw = admissionv1.Update, encode(t, c.before)
			}
			response := h.Handle(t.Context(), request)
			if response.Allowed != (c.fault == "") || !strings.Contains(response.Result.Message, c.fault) {
				t.Errorf("got %+v, want %q", response, c.fault)
			}
			if all := strings.Join(response.Warnings, "; "); c.warning == "" && all != "" || !strings.Contains(all, c.warning) {
				t.Errorf("warnings %q, want %q", all, c.warning)
			}
		})
	}
}

func encode(t *testing.T, group *podgroupv1alpha1.PodGroup) []byte {
	t.Helper()
	raw, err := json.Marshal(group)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
