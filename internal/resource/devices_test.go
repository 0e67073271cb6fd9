package resource

import "testing"

func TestDevicesOf(t *testing.T) {
	if name := DevicesOf("gpu.example.com"); name != "gpu.example.com.deviceclass.resource.k8s.io/devices" || !AreDevices(name) {
		t.Errorf("DevicesOf = %s, AreDevices = %t", name, AreDevices(name))
	}
	for _, name := range []string{"nvidia.com/gpu", "cpu", "pods", "deviceclass.resource.k8s.io/devices"} {
		if AreDevices(name) {
			t.Errorf("%s is taken for the devices of a class", name)
		}
	}
}
