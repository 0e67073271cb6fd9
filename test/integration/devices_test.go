package integration

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const driver = "gpu.example.com"

// extendedResource is the name under which pods can ask for a device without a claim.
const extendedResource = corev1.ResourceName("example.com/gpu")

// deviceClass is all devices of the driver.
func deviceClass() *resourcev1.DeviceClass {
	extended := string(extendedResource)
	return &resourcev1.DeviceClass{
		ObjectMeta: metav1.ObjectMeta{Name: "gpu"},
		Spec: resourcev1.DeviceClassSpec{
			Selectors:            []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{Expression: fmt.Sprintf("device.driver == %q", driver)}}},
			ExtendedResourceName: &extended,
		},
	}
}

// devices are n devices on a node.
func devices(node string, n int) *resourcev1.ResourceSlice {
	slice := &resourcev1.ResourceSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "devices-of-" + node},
		Spec: resourcev1.ResourceSliceSpec{
			Driver: driver, NodeName: &node, Pool: resourcev1.ResourcePool{Name: node, Generation: 1, ResourceSliceCount: 1},
		},
	}
	for i := range n {
		slice.Spec.Devices = append(slice.Spec.Devices, resourcev1.Device{Name: fmt.Sprintf("gpu-%d", i)})
	}
	return slice
}

// oneDevice asks for one device of the class.
func oneDevice() resourcev1.ResourceClaimSpec {
	return resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{Requests: []resourcev1.DeviceRequest{{
		Name: "gpu", Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: "gpu", AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: 1},
	}}}}
}

// ownDevice makes a pod claim a device for itself, through the template "gpu".
func ownDevice(p *corev1.Pod) {
	template := "gpu"
	p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimTemplateName: &template}}
	p.Spec.Containers[0].Resources.Claims = []corev1.ResourceClaim{{Name: "gpu"}}
}

// sharedDevice makes a pod share the claim "gpu" with others.
func sharedDevice(p *corev1.Pod) {
	claim := "gpu"
	p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimName: &claim}}
	p.Spec.Containers[0].Resources.Claims = []corev1.ResourceClaim{{Name: "gpu"}}
}

func deviceConstraints() map[string]constraint {
	objects := func(more ...client.Object) []client.Object {
		return append([]client.Object{deviceClass(), devices("node-0", 2), devices("node-1", 2)}, more...)
	}
	template := func() client.Object {
		return &resourcev1.ResourceClaimTemplate{ObjectMeta: metav1.ObjectMeta{Name: "gpu"}, Spec: resourcev1.ResourceClaimTemplateSpec{Spec: oneDevice()}}
	}
	claim := func() client.Object {
		return &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: "gpu"}, Spec: oneDevice()}
	}
	other := func() client.Object {
		return pod("other", "", cpu(1), sharedDevice, onNodesWith(corev1.LabelHostname, "node-1"))
	}
	extended := corev1.ResourceList{corev1.ResourceCPU: quantity("1"), extendedResource: quantity("1")}
	mixed := append(members("gang", 2, cpu(1), ownDevice, role("worker")), members("gang", 2, cpu(4), role("ps"))...)
	return map[string]constraint{
		"a device each":                     {nodes: nodes(3, cpu(8)), objects: objects(template()), min: 4, gang: members("gang", 4, cpu(1), ownDevice), want: 4, allowed: []string{"node-0", "node-1"}, per: 2},
		"more members than devices":         {nodes: nodes(3, cpu(8)), objects: objects(template()), min: 5, gang: members("gang", 5, cpu(1), ownDevice)},
		"devices where there is no room":    {nodes: nodes(3, cpu(1)), objects: objects(template()), min: 3, gang: members("gang", 3, cpu(1), ownDevice)},
		"devices and others":                {nodes: nodes(2, cpu(5)), objects: objects(template()), min: 4, gang: mixed, want: 4, per: 2},
		"a device that others use":          {nodes: nodes(3, cpu(4)), objects: objects(claim(), other()), min: 3, gang: members("gang", 3, cpu(1), sharedDevice), want: 3, allowed: []string{"node-1"}},
		"a device that others use, no room": {nodes: nodes(3, cpu(4)), objects: objects(claim(), other()), min: 4, gang: members("gang", 4, cpu(1), sharedDevice)},
		"devices by extended resource":      {nodes: nodes(3, cpu(8)), objects: objects(), min: 4, gang: members("gang", 4, extended), want: 4, allowed: []string{"node-0", "node-1"}, per: 2},
		"extended resource beyond the most": {nodes: nodes(3, cpu(8)), objects: objects(), min: 5, gang: members("gang", 5, extended)},
	}
}
