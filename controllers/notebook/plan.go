package notebook

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// seen is what there is of a notebook. Each may be nil.
type seen struct {
	set     *appsv1.StatefulSet
	service *corev1.Service
	pod     *corev1.Pod
}

// plan is what has to be written, and what is wrong, if anything.
type plan struct {
	create  []client.Object
	update  []client.Object
	problem *problem
}

// decide says what has to be done for a notebook. One that cannot be run is left as it is.
func decide(config Config, nb *notebookv1.Notebook, s seen) plan {
	var p plan
	if p.problem = validate(nb); p.problem != nil {
		return p
	}
	set, service := config.newStatefulSet(nb), newService(nb)
	switch {
	case s.set == nil:
		p.create = append(p.create, set)
	case !owns(nb, s.set):
		p.problem = taken("StatefulSet", s.set)
		return p
	default:
		if next := correctSet(s.set, set); next != nil {
			p.update = append(p.update, next)
		}
	}
	switch {
	case s.service == nil:
		p.create = append(p.create, service)
	case !owns(nb, s.service):
		p.problem = taken("Service", s.service)
	default:
		if next := correctService(s.service, service); next != nil {
			p.update = append(p.update, next)
		}
	}
	if _, err := idleTime(config, nb, s.pod); err != nil && p.problem == nil {
		p.problem = &problem{notebookv1.ReasonInvalidIdleTime, err.Error()}
	}
	return p
}

// owns says whether an object is the notebook's own.
func owns(nb *notebookv1.Notebook, object client.Object) bool {
	owner := metav1.GetControllerOf(object)
	return owner != nil && owner.UID == nb.UID
}

// taken is the problem that somebody else has a name.
func taken(kind string, holder client.Object) *problem {
	if owner := metav1.GetControllerOf(holder); owner != nil {
		return &problem{notebookv1.ReasonNameTaken, fmt.Sprintf("%s %s exists already and belongs to %s %s; rename one of the two",
			kind, holder.GetName(), owner.Kind, owner.Name)}
	}
	return &problem{notebookv1.ReasonNameTaken, fmt.Sprintf("%s %s exists already and does not belong to this notebook; delete it or rename the notebook",
		kind, holder.GetName())}
}
