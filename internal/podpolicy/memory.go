package podpolicy

import (
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

const (
	sharedMemoryPath   = "/dev/shm"
	sharedMemoryVolume = "muster-shm"
)

// mountSharedMemory mounts memory at /dev/shm in every container that has nothing there, and returns in how many. It is one
// volume for all, as the containers of a pod share that of the runtime. A pod in the node's IPC namespace sees the node's
// /dev/shm, and one for Windows has none: both are left as they are.
func mountSharedMemory(pod *corev1.Pod, memory *v1alpha1.PodPolicySharedMemory) int {
	if pod.Spec.HostIPC || pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows {
		return 0
	}
	mounted, volume := 0, ""
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		if slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return path.Clean(m.MountPath) == sharedMemoryPath }) {
			continue
		}
		if volume == "" {
			volume = memoryVolume(pod, memory)
		}
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: sharedMemoryPath})
		mounted++
	}
	return mounted
}

// memoryVolume returns the name of the pod's volume for /dev/shm, and adds it if there is none yet.
func memoryVolume(pod *corev1.Pod, memory *v1alpha1.PodPolicySharedMemory) string {
	name := sharedMemoryVolume
	for n := 2; ; n++ {
		i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
		if i < 0 {
			break
		}
		if dir := pod.Spec.Volumes[i].EmptyDir; dir != nil && dir.Medium == corev1.StorageMediumMemory {
			return name
		}
		name = fmt.Sprintf("%s-%d", sharedMemoryVolume, n)
	}
	source := &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
	if memory.SizeLimit != nil {
		limit := memory.SizeLimit.DeepCopy()
		source.SizeLimit = &limit
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: source}})
	return name
}
