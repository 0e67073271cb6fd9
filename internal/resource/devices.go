package resource

import "strings"

const ofClass = ".deviceclass.resource.k8s.io/devices"

// DevicesOf names the devices that ResourceClaims ask of a DeviceClass, as a Kubernetes ResourceQuota does
// (https://kubernetes.io/docs/concepts/policy/resource-quotas/). They are counted by number.
func DevicesOf(class string) string { return class + ofClass }

// AreDevices reports whether a name is one of DevicesOf. Queues are charged for such devices, but no node says how many it
// has, and nobody how many the cluster has: a class selects them by expressions.
func AreDevices(name string) bool { return strings.HasSuffix(name, ofClass) }
