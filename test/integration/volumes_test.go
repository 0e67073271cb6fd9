package integration

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// localClass binds a claim when its first pod is placed, to a volume that exists.
func localClass() *storagev1.StorageClass {
	mode := storagev1.VolumeBindingWaitForFirstConsumer
	return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "local"}, Provisioner: "kubernetes.io/no-provisioner", VolumeBindingMode: &mode}
}

// volume is a disk that can be reached from the nodes that have a label.
func volume(name, label, value string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              "local",
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: quantity("1Gi")},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{mode},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "disks.example.com", VolumeHandle: name}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: label, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}},
			}}}},
		},
	}
}

// claim asks for a volume; for one by name, and at once, unless that is empty.
func claim(name, volume string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	class := "local"
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class,
			VolumeName:       volume,
			AccessModes:      []corev1.PersistentVolumeAccessMode{mode},
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: quantity("1Gi")}},
		},
	}
}

// claims are the claims of so many members, each of which has one of its name.
func claims(n int) []client.Object {
	var list []client.Object
	for i := range n {
		list = append(list, claim(fmt.Sprintf("gang-%d", i), "", corev1.ReadWriteOnce))
	}
	return list
}

// uses makes a pod use a claim; the one of its own name if the name is empty.
func uses(claim string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		name := claim
		if name == "" {
			name = p.Name
		}
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{
			Name:         "data",
			VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}},
		})
	}
}

// expectClaimBound waits until a claim has its volume.
func (e *env) expectClaimBound(name string) {
	e.Helper()
	e.eventually("claim "+name+" has its volume", func(ctx context.Context) (bool, string) {
		claim := &corev1.PersistentVolumeClaim{}
		err := e.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: name}, claim)
		return err == nil && claim.Status.Phase == corev1.ClaimBound, fmt.Sprintf("%v %s", err, claim.Status.Phase)
	})
}

func volumeConstraints() map[string]constraint {
	disks := func(objects ...client.Object) []client.Object {
		return append([]client.Object{
			localClass(), volume("disk-0", corev1.LabelHostname, "node-0", corev1.ReadWriteOnce), volume("disk-1", corev1.LabelHostname, "node-1", corev1.ReadWriteOnce),
		}, objects...)
	}
	// Each volume has a name of its own: a claim whose volume is still the last test's in the volume controller's eyes waits
	// for that controller's next full look.
	volumes := 0
	shared := func(mode corev1.PersistentVolumeAccessMode) []client.Object {
		volumes++
		name := fmt.Sprintf("shared-%d", volumes)
		return []client.Object{localClass(), volume(name, "rack", "rack-1", mode), claim("shared", name, mode)}
	}
	one := append(members("gang", 1, cpu(1), uses("shared")), members("gang", 3, cpu(1), role("other"))...)
	return map[string]constraint{
		"a disk each":                    {nodes: nodes(3, cpu(8)), objects: disks(claims(2)...), min: 2, gang: members("gang", 2, cpu(1), uses("")), want: 2, allowed: []string{"node-0", "node-1"}, per: 1},
		"more members than disks":        {nodes: nodes(3, cpu(8)), objects: disks(claims(3)...), min: 3, gang: members("gang", 3, cpu(1), uses(""))},
		"a disk where there is no room":  {nodes: []*corev1.Node{node("node-0", cpu(1)), node("node-1", cpu(8))}, objects: disks(claims(2)...), min: 2, gang: members("gang", 2, cpu(2), uses(""))},
		"a volume of one rack":           {nodes: racked(4, 2), objects: shared(corev1.ReadWriteMany), min: 4, gang: members("gang", 4, cpu(1), uses("shared")), want: 4, allowed: []string{"node-2", "node-3"}},
		"a volume of a rack that's full": {nodes: racked(4, 2), objects: shared(corev1.ReadWriteMany), min: 5, gang: members("gang", 5, cpu(1), uses("shared"))},
		"a volume for one pod":           {nodes: racked(4, 2), objects: shared(corev1.ReadWriteOncePod), min: 4, gang: one, want: 4},
		"a volume for one pod, for two":  {nodes: racked(4, 2), objects: shared(corev1.ReadWriteOncePod), min: 2, gang: members("gang", 2, cpu(1), uses("shared"))},
	}
}
