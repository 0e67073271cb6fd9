package podpolicy

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// kind is a kind of field with a value that policies can set.
type kind int

const (
	schedulerName kind = iota
	priorityClassName
	label
	annotation
	env
)

// field is one field: of a kind of which a pod has many, that of the key.
type field struct {
	kind kind
	key  string
}

// String is how changes name the field.
func (f field) String() string {
	return [...]string{"spec.schedulerName", "spec.priorityClassName", "label ", "annotation ", "env "}[f.kind] + f.key
}

// wish is what a policy wants a field to be.
type wish struct {
	policy    string
	value     string
	fieldPath string // for env, in place of value
	always    bool
	inherited bool // the value is that of an owner, and so closer to the pod than what its namespace says
}

// wishes is what several policies want together: one value for each field.
type wishes struct {
	pod          *corev1.Pod // as it was given
	around       Surroundings
	queue        string // that the pod is in once all is set
	fields       map[field]wish
	order        []field // in which the fields were named first
	tolerations  []tolerationWish
	sharedMemory *sharedMemoryWish
	gang, ranks  string // the policies that want them; "" where none does
	problems     []*Problem
}

type tolerationWish struct {
	policy     string
	toleration corev1.Toleration
}

type sharedMemoryWish struct {
	policy string
	memory *v1alpha1.PodPolicySharedMemory
}

func newWishes(pod *corev1.Pod, around Surroundings) *wishes {
	return &wishes{pod: pod, around: around, fields: map[field]wish{}}
}

// add adds what a policy wants, its queue aside. Policies have to be added in their order, and all queues before that.
func (w *wishes) add(p *Policy) {
	if name := p.set.SchedulerName; name != nil {
		w.want(field{schedulerName, ""}, wish{policy: p.name, value: name.Value, always: name.When == v1alpha1.SetAlways})
	}
	w.addPriority(p)
	for _, l := range p.set.Labels {
		if l.Key != v1alpha1.QueueLabel {
			w.want(field{label, l.Key}, wish{policy: p.name, value: l.Value, always: l.When == v1alpha1.SetAlways})
		}
	}
	for _, a := range p.set.Annotations {
		w.want(field{annotation, a.Key}, wish{policy: p.name, value: a.Value, always: a.When == v1alpha1.SetAlways})
	}
	for _, e := range p.set.Env {
		w.want(field{env, e.Name}, wish{policy: p.name, value: e.Value, fieldPath: e.FieldPath, always: e.When == v1alpha1.SetAlways})
	}
	for _, t := range p.set.Tolerations {
		w.tolerations = append(w.tolerations, tolerationWish{p.name, t})
	}
	if p.set.SharedMemory != nil && w.sharedMemory == nil {
		w.sharedMemory = &sharedMemoryWish{p.name, p.set.SharedMemory}
	}
	if p.set.Gang != "" {
		w.gang = cmp.Or(w.gang, p.name)
	}
	if p.set.Ranks != "" {
		w.ranks = cmp.Or(w.ranks, p.name)
	}
	w.addFirm(p)
}

// want notes a wish: the last that is for always counts, or else the first.
func (w *wishes) want(f field, next wish) {
	_, named := w.fields[f]
	if named && !next.always {
		return
	}
	if !named {
		w.order = append(w.order, f)
	}
	w.fields[f] = next
}

// grant changes the pod to what is wanted, and returns what was not so before.
func (w *wishes) grant(pod *corev1.Pod) []Change {
	var changes []Change
	for _, f := range w.order {
		wish := w.fields[f]
		var change *Change
		if f.kind == env {
			change = setEnv(pod, f.key, wish)
		} else {
			change = w.setValue(pod, f, wish)
		}
		if change != nil {
			change.Policy, change.Field = wish.policy, f.String()
			changes = append(changes, *change)
		}
	}
	changes = append(changes, w.grantGang(pod)...)
	changes = append(changes, w.grantRanks(pod)...)
	for _, wish := range w.tolerations {
		if addToleration(pod, wish.toleration) {
			changes = append(changes, Change{Policy: wish.policy, Field: "toleration", To: describeToleration(wish.toleration)})
		}
	}
	if wish := w.sharedMemory; wish != nil {
		if n := mountSharedMemory(pod, wish.memory); n > 0 {
			changes = append(changes, Change{Policy: wish.policy, Field: "volume", To: sharedMemoryPath, Containers: n})
		}
	}
	return changes
}
