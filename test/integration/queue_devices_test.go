package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// devicesOfClass is the name under which queues are charged for devices of the class "gpu".
const devicesOfClass = corev1.ResourceName("gpu.deviceclass.resource.k8s.io/devices")

// setUpDevices makes a queue with a limit of devices, more devices than that, and both a claim of one device that pods may
// share and a template for claims of their own.
func setUpDevices(t *testing.T, most string) *env {
	t.Helper()
	e := setUp(t, nodes(2, cpu(8))...)
	e.create(deviceClass(), devices("node-0", 4), devices("node-1", 4),
		&resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: "gpu"}, Spec: oneDevice()},
		&resourcev1.ResourceClaimTemplate{ObjectMeta: metav1.ObjectMeta{Name: "gpu"}, Spec: resourcev1.ResourceClaimTemplateSpec{Spec: oneDevice()}})
	e.queue("team", limit(corev1.ResourceList{devicesOfClass: quantity(most)}))
	return e
}

// expectDevices waits until the queue says that it uses so many devices.
func (e *env) expectDevices(n int64) {
	e.Helper()
	e.expectQueue("team", fmt.Sprintf("uses %d devices", n), func(q *schedulingv1alpha1.Queue) bool {
		used := q.Status.Allocated[devicesOfClass]
		return used.Value() == n
	})
}

// Gangs that share a device use one device of their queue, for as long as any of them runs.
func TestLimitOfDevicesThatAreShared(t *testing.T) {
	e := setUpDevices(t, "1")
	first := e.gangIn("team", "first", 1, 1, cpu(1), sharedDevice)
	e.expectBound("first", 1)
	e.gangIn("team", "second", 2, 2, cpu(1), sharedDevice)
	e.expectBound("second", 2)
	e.expectDevices(1)
	e.gangIn("team", "own", 1, 1, cpu(1), ownDevice)
	e.expectReason(gangs.QuotaExceeded, 1)
	e.delete(first[0])
	e.expectGone(first...)
	e.expectAtRest(map[string]int{"second": 2, "own": 0})
	e.expectDevices(1)
}

// Each pod that has a device of its own counts, and who is beyond the limit waits until one of them is gone. A scheduler
// that starts anew counts the same.
func TestLimitOfDevices(t *testing.T) {
	e := setUpDevices(t, "3")
	pair := e.gangIn("team", "pair", 2, 2, cpu(1), ownDevice)
	e.expectBound("pair", 2)
	e.gangIn("team", "large", 4, 4, cpu(1), ownDevice)
	e.expectReason(gangs.ExceedsLimit, 1)
	e.gangIn("team", "late", 2, 2, cpu(1), ownDevice)
	e.expectReason(gangs.QuotaExceeded, 1)
	e.expectEvent("PodGroup", "late", string(gangs.QuotaExceeded), fmt.Sprintf("2 of 3 %s in use, 2 more asked", devicesOfClass))
	e.gangIn("team", "small", 1, 1, cpu(1), ownDevice)
	e.expectBound("small", 1)
	e.expectAtRest(map[string]int{"pair": 2, "small": 1, "late": 0, "large": 0})
	e.expectDevices(3)
	shared.cluster.KillScheduler()
	e.startScheduler("")
	e.expectReason(gangs.QuotaExceeded, 1)
	e.expectAtRest(map[string]int{"pair": 2, "small": 1, "late": 0, "large": 0})
	e.delete(pair[0], pair[1])
	e.expectBound("late", 2)
	e.expectDevices(3)
}

// A queue takes back the devices that it is guaranteed, where others have used up a limit above both.
func TestDevicesAreTakenBack(t *testing.T) {
	e := setUpDevices(t, "4")
	e.editQueue("team", guarantee(corev1.ResourceList{devicesOfClass: quantity("2")}))
	e.queue("owner", e.below("team"), guarantee(corev1.ResourceList{devicesOfClass: quantity("2")}))
	e.queue("guest", e.below("team"))
	e.jobsIn("guest", "job", 5, cpu(1), ownDevice)
	e.expectJobs("job", 5, 4)
	e.gangIn("owner", "gang", 2, 2, cpu(1), ownDevice)
	e.expectBound("gang", 2)
	e.expectJobs("job", 5, 2)
	e.expectDevices(4)
}
