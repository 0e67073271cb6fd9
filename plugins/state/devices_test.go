package state

import (
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	muster "github.com/muster-scheduling/muster/internal/resource"
)

const gpus = "gpu.deviceclass.resource.k8s.io/devices"

func exactly(class string, mode resourcev1.DeviceAllocationMode, count int64) resourcev1.DeviceRequest {
	return resourcev1.DeviceRequest{Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: class, AllocationMode: mode, Count: count}}
}

func gpuClaim(name string, count int64) *resourcev1.ResourceClaim {
	claim := &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	claim.Spec.Devices.Requests = []resourcev1.DeviceRequest{exactly("gpu", resourcev1.DeviceAllocationModeExactCount, count)}
	return claim
}

// using makes a pod use claims that have a name of their own.
func using(p *corev1.Pod, claims ...string) *corev1.Pod {
	for _, claim := range claims {
		p.Spec.ResourceClaims = append(p.Spec.ResourceClaims, corev1.PodResourceClaim{Name: claim, ResourceClaimName: &claim})
	}
	return p
}

// gpuQueue is a queue with a limit of devices.
func gpuQueue(name, limit string) *schedulingv1alpha1.Queue {
	q := &schedulingv1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: name}}
	q.Spec.Limit = corev1.ResourceList{gpus: resource.MustParse(limit)}
	return q
}

func TestDevicesOf(t *testing.T) {
	const exact, all = resourcev1.DeviceAllocationModeExactCount, resourcev1.DeviceAllocationModeAll
	alternative := func(class string, mode resourcev1.DeviceAllocationMode, count int64) resourcev1.DeviceSubRequest {
		return resourcev1.DeviceSubRequest{DeviceClassName: class, AllocationMode: mode, Count: count}
	}
	for name, c := range map[string]struct {
		requests []resourcev1.DeviceRequest
		want     muster.Amounts
	}{
		"none":                {nil, muster.Amounts{}},
		"of one class, twice": {[]resourcev1.DeviceRequest{exactly("gpu", exact, 2), exactly("gpu", exact, 3)}, muster.Amounts{gpus: 5}},
		"all":                 {[]resourcev1.DeviceRequest{exactly("gpu", all, 0)}, muster.Amounts{gpus: resourcev1.AllocationResultsMaxSize}},
		"a mode of later":     {[]resourcev1.DeviceRequest{exactly("gpu", "Most", 7)}, muster.Amounts{gpus: 0}},
		"alternatives": {[]resourcev1.DeviceRequest{exactly("gpu", exact, 1), {FirstAvailable: []resourcev1.DeviceSubRequest{
			alternative("gpu", exact, 2), alternative("gpu", exact, 4), alternative("nic.example.com", exact, 1),
		}}}, muster.Amounts{gpus: 5, "nic.example.com.deviceclass.resource.k8s.io/devices": 1}},
		"a request of later": {[]resourcev1.DeviceRequest{{Name: "gpu"}}, muster.Amounts{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := devicesOf(resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{Requests: c.requests}})
			if !maps.Equal(got, c.want) {
				t.Errorf("devicesOf = %v, want %v", got, c.want)
			}
		})
	}
}

func TestClaimNames(t *testing.T) {
	template, made := "template", "gang-0-gpu-x7k2p"
	p := using(pod("gang", "gang-0"), "shared", "shared")
	p.Spec.ResourceClaims = append(p.Spec.ResourceClaims, corev1.PodResourceClaim{Name: "gpu", ResourceClaimTemplateName: &template},
		corev1.PodResourceClaim{Name: "none", ResourceClaimTemplateName: &template})
	if got := claimNames(p); len(got) != 1 || got[0].String() != "ns/shared" || !lacksClaims(p) {
		t.Errorf("before claims are made from the template, the pod names %v", got)
	}
	p.Status.ResourceClaimStatuses = []corev1.PodResourceClaimStatus{{Name: "gpu", ResourceClaimName: &made}, {Name: "none"}}
	if got := claimNames(p); len(got) != 2 || got[1].String() != "ns/"+made || lacksClaims(p) {
		t.Errorf("after claims are made from the template, the pod names %v", got)
	}
}

// Two pods that share a claim cost their queue one device, two that have a claim each cost two.
func TestClaimsAndLimit(t *testing.T) {
	for _, c := range []struct {
		claim  string
		reason gang.Reason
	}{{"first", gang.NotYetPlanned}, {"second", gang.QuotaExceeded}} {
		r, _ := newTestRegistry()
		setQueues(t, r, gpuQueue("default", "1"))
		r.SetResourceClaim(gpuClaim("first", 1))
		r.SetResourceClaim(gpuClaim("second", 1))
		set(r, on(using(pod("", "runs"), "first"), "n"))
		r.SetPodGroup(podGroup("gang", 1, ""))
		r.SetPod(using(pod("gang", "gang-0"), c.claim))
		wantReason(t, r, "gang", c.reason)
		// When the pod that paid for the shared claim goes, its devices cost the one that uses it still.
		drop(r, on(using(pod("", "runs"), "first"), "n"))
		wantReason(t, r, "gang", gang.NotYetPlanned)
		if asked := r.line.Firsts()["default"].Amount[gpus]; asked != 1 {
			t.Errorf("with claim %s the gang asks for %d devices, want 1", c.claim, asked)
		}
	}
}

// The members of a gang ask for a claim that they share once, for room on nodes not at all, and for nothing once it is charged.
func TestGangThatSharesAClaim(t *testing.T) {
	r, _ := newTestRegistry()
	setQueues(t, r, gpuQueue("default", "8"))
	r.SetPodGroup(podGroup("gang", 2, ""))
	pods := []*corev1.Pod{using(pod("gang", "gang-0"), "shared", "own-0"), using(pod("gang", "gang-1"), "shared", "own-1")}
	for _, p := range pods {
		r.SetPod(p)
	}
	wantReason(t, r, "gang", gang.WaitingForMembers) // Nobody knows what the claims will cost.
	for claim, count := range map[string]int64{"shared": 3, "own-0": 1, "own-1": 2} {
		r.SetResourceClaim(gpuClaim(claim, count))
	}
	g := r.line.Firsts()["default"]
	if g.Amount[gpus] != 6 || len(g.Members) != 1 || g.Members[0].Amount[gpus] != 0 {
		t.Fatalf("the gang asks its queue for %v and nodes for %v", g.Amount, g.Members)
	}
	run(t, r, pods...)
	if used := r.line.Ledger.Usage("default")[gpus]; used != 6 {
		t.Errorf("the gang uses %d devices, want 6", used)
	}
	if got := r.gangs[gangKey("gang")].amount()[gpus]; got != 6 {
		t.Errorf("the gang says that it uses %d devices, want 6", got)
	}
	r.SetPod(using(pod("gang", "gang-2"), "shared"))
	if asked := r.line.Firsts()["default"].Amount[gpus]; asked != 0 {
		t.Errorf("one more that shares the claim asks for %d devices, want none", asked)
	}
}

// What victims give back are the claims that nobody else uses.
func TestUnitsGiveBackClaims(t *testing.T) {
	r, _ := newTestRegistry()
	for claim, count := range map[string]int64{"all": 1, "own": 2, "rest": 4, "others": 8} {
		r.SetResourceClaim(gpuClaim(claim, count))
	}
	r.SetPodGroup(podGroup("gang", 1, ""))
	first, second := using(pod("gang", "gang-0"), "all", "rest", "others"), using(pod("gang", "gang-1"), "all", "own")
	for _, p := range []*corev1.Pod{first, second, using(pod("", "other"), "others")} {
		set(r, on(p, "n"))
	}
	units := r.gangs[gangKey("gang")].units(true, 0, epoch)
	if len(units) != 2 || units[0].Usage[gpus] != 2 || !units[1].Rest || units[1].Usage[gpus] != 5 {
		t.Errorf("the gang's units are %+v, want one of 2 devices and the rest of 5", units)
	}
	set(r, leaving(on(second, "n")))
	if used := r.books().Usage("default")[gpus]; used != 13 {
		t.Errorf("with a pod on its way out %d devices are in use, want 13", used)
	}
}
