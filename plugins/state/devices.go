package state

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Devices that ResourceClaims ask for are charged to queues only. What a node has room for is for the filters of dynamic
// resource allocation to say, so the amounts by which nodes are compared know nothing of them.

// deviceClaim is one ResourceClaim: what it asks for, and which members use it.
type deviceClaim struct {
	name types.NamespacedName
	// amount is the number of devices by class; nil while there is no such claim.
	amount resource.Amounts
	// members are all that name the claim. Those of them that are charged are users, in the order in which they became so.
	members map[*member]struct{}
	users   []*member
	// booked is what the first user's queue is charged with; nil where nobody's is.
	booked *booking
}

// devicesOf is how many devices of each class a claim asks for, under the names that a ResourceQuota gives them and by its
// rules: all that match count as the most that can be allocated, and of alternatives each class counts for the one that
// asks most of it.
func devicesOf(spec resourcev1.ResourceClaimSpec) resource.Amounts {
	devices := resource.Amounts{}
	for _, request := range spec.Devices.Requests {
		if exactly := request.Exactly; exactly != nil {
			devices.Add(resource.Amounts{resource.DevicesOf(exactly.DeviceClassName): devicesIn(exactly.AllocationMode, exactly.Count)})
			continue
		}
		most := resource.Amounts{}
		for _, alternative := range request.FirstAvailable {
			class := resource.DevicesOf(alternative.DeviceClassName)
			most[class] = max(most[class], devicesIn(alternative.AllocationMode, alternative.Count))
		}
		devices.Add(most)
	}
	return devices
}

func devicesIn(mode resourcev1.DeviceAllocationMode, count int64) int64 {
	switch mode {
	case resourcev1.DeviceAllocationModeExactCount:
		return count
	case resourcev1.DeviceAllocationModeAll:
		return resourcev1.AllocationResultsMaxSize
	}
	return 0
}

// claimNames lists the ResourceClaims that a pod uses, those included that were made for it from a template.
func claimNames(pod *corev1.Pod) []types.NamespacedName {
	var names []types.NamespacedName
	add := func(name *string) {
		if name == nil {
			return
		}
		if full := (types.NamespacedName{Namespace: pod.Namespace, Name: *name}); !slices.Contains(names, full) {
			names = append(names, full)
		}
	}
	for _, claim := range pod.Spec.ResourceClaims {
		add(claim.ResourceClaimName)
		for _, made := range pod.Status.ResourceClaimStatuses {
			if claim.ResourceClaimTemplateName != nil && made.Name == claim.Name {
				add(made.ResourceClaimName)
			}
		}
	}
	return names
}

// lacksClaims reports whether a resource claim of the pod is still to be made from its template. Only the pod's own
// status tells when it is: planning before would fail, and the change wakes nobody but this pod.
func lacksClaims(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.ResourceClaims, func(claim corev1.PodResourceClaim) bool {
		return claim.ResourceClaimTemplateName != nil && !slices.ContainsFunc(pod.Status.ResourceClaimStatuses, func(made corev1.PodResourceClaimStatus) bool {
			return made.Name == claim.Name
		})
	})
}

// SetResourceClaim takes note of a ResourceClaim: from now on its devices are charged for.
func (r *Registry) SetResourceClaim(claim *resourcev1.ResourceClaim) Effects {
	return r.setDevices(types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}, devicesOf(claim.Spec))
}

// DeleteResourceClaim forgets a ResourceClaim that is gone: its devices are free.
func (r *Registry) DeleteResourceClaim(namespace, name string) Effects {
	return r.setDevices(types.NamespacedName{Namespace: namespace, Name: name}, nil)
}

func (r *Registry) setDevices(name types.NamespacedName, amount resource.Amounts) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	c := r.deviceClaim(name)
	if (c.amount == nil) == (amount == nil) && sameAmounts(c.amount, amount) {
		r.forgetUnused(c)
		return effects // Its status changed, which says nothing about what it costs.
	}
	c.amount = amount
	r.bookClaim(c)
	r.repriced = append(r.repriced, c)
	for m := range c.members {
		m.refresh(&effects)
	}
	r.forgetUnused(c)
	r.advance(&effects)
	return effects
}

// deviceClaim finds a claim by its name, or makes room for what is to be known of it.
func (r *Registry) deviceClaim(name types.NamespacedName) *deviceClaim {
	c := r.devices[name]
	if c == nil {
		c = &deviceClaim{name: name, members: map[*member]struct{}{}}
		r.devices[name] = c
	}
	return c
}

func (r *Registry) forgetUnused(c *deviceClaim) {
	if c.amount == nil && len(c.members) == 0 {
		delete(r.devices, c.name)
	}
}

// nameClaims takes note of the claims that a member's pod names now.
func (m *member) nameClaims(names []types.NamespacedName) {
	if slices.EqualFunc(names, m.claims, func(name types.NamespacedName, c *deviceClaim) bool { return name == c.name }) {
		return
	}
	r := m.gang.registry
	old := m.claims
	m.claims = nil
	for _, name := range names {
		c := r.deviceClaim(name)
		c.members[m] = struct{}{}
		m.claims = append(m.claims, c)
	}
	for _, c := range old {
		if !slices.Contains(m.claims, c) {
			delete(c.members, m)
			r.use(c, m, false)
			r.forgetUnused(c)
		}
	}
}

// lacksDevices reports whether a claim of the member is not there: nobody knows yet what it costs.
func (m *member) lacksDevices() bool {
	return slices.ContainsFunc(m.claims, func(c *deviceClaim) bool { return c.amount == nil })
}

// use counts a member among those for whose sake a claim is charged, or no longer.
func (r *Registry) use(c *deviceClaim, m *member, charged bool) {
	switch at := slices.Index(c.users, m); {
	case charged && at < 0:
		c.users = append(c.users, m)
	case !charged && at >= 0:
		c.users = slices.Delete(c.users, at, at+1)
	}
	r.bookClaim(c)
}

// bookClaim charges a claim to the queue of the first who uses it: once, however many do. When that one goes, the queue of
// the next is charged.
func (r *Registry) bookClaim(c *deviceClaim) {
	var due *booking
	if c.amount != nil && len(c.users) > 0 {
		first := c.users[0].booked
		due = &booking{queue: first.queue, firm: first.firm, amount: c.amount}
	}
	if (c.booked == nil) != (due == nil) {
		r.repriced = append(r.repriced, c)
	}
	c.booked = r.rebook(c.booked, due)
}

// reprice lets gangs that wait ask their queue for what they cost now: of the claims that they share with others, some have
// been charged since, or are charged no longer.
func (r *Registry) reprice(effects *Effects) {
	for len(r.repriced) > 0 {
		gangs := map[*entry]struct{}{}
		for _, c := range r.repriced {
			for m := range c.members {
				if m.booked == nil {
					m.leaveLine()
					m.gang.stale = true
					gangs[m.gang] = struct{}{}
				}
			}
		}
		r.repriced = nil
		for e := range gangs {
			r.settle(e, effects)
		}
	}
}
