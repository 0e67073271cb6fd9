package podpolicy

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// BenchmarkApply is one pod of ten containers against 1,000 policies, of which one matches. A webhook answers within 5 ms.
func BenchmarkApply(b *testing.B) {
	var policies []*Policy
	for i := range 1000 {
		policy := &v1alpha1.PodPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%04d", i)}}
		policy.Spec.Match.Expression = fmt.Sprintf("has(pod.metadata.labels) && 'team-%d' in pod.metadata.labels", i)
		policy.Spec.Set.SchedulerName = &v1alpha1.PodPolicyName{Value: "muster"}
		compiled, err := Compile(policy)
		if err != nil {
			b.Fatal(err)
		}
		policies = append(policies, compiled)
	}
	pod := podOf(10)
	pod.Labels = map[string]string{"team-500": "yes"}
	b.ReportAllocs()
	for b.Loop() {
		if result := Apply(b.Context(), pod, Surroundings{}, policies); len(result.Changes) != 1 {
			b.Fatalf("changes %+v", result.Changes)
		}
	}
}
