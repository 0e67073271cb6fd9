package localcluster

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// A pod goes for good when its deletion was asked for; one that was made anew under its name stays.
func TestKwokRemovesOnlyWhatIsBeingDeleted(t *testing.T) {
	pod := func(name, uid string, deleted *metav1.Time) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(uid), DeletionTimestamp: deleted}}
	}
	clients := fake.NewClientset(pod("goes", "1", &metav1.Time{Time: time.Unix(1, 0)}), pod("made-anew", "2", nil))
	pods := kwokClient{clients}.CoreV1().Pods("ns")
	for _, name := range []string{"goes", "made-anew"} {
		if err := pods.Delete(t.Context(), name, *metav1.NewDeleteOptions(0)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var deleted []clienttesting.DeleteAction
	for _, action := range clients.Actions() {
		if action, ok := action.(clienttesting.DeleteAction); ok {
			deleted = append(deleted, action)
		}
	}
	if len(deleted) != 1 || deleted[0].GetName() != "goes" {
		t.Fatalf("deleted: %v", deleted)
	}
	if p := deleted[0].GetDeleteOptions().Preconditions; p == nil || p.UID == nil || *p.UID != "1" {
		t.Errorf("it is deleted under %v, whoever has its name then", p)
	}
}
