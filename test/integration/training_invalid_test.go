package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// What the schema can tell, the API server refuses, in words that help.
func TestRefusedJobs(t *testing.T) {
	e := setUp(t)
	for name, c := range map[string]struct{ manifest, words string }{
		"no replica": {`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: job}
spec:
  tfReplicaSpecs: {Worker: {replicas: 0, template: {spec: {containers: [{name: tensorflow, image: i}]}}}}
`, "at least one replica is needed"},
		"no replica type": {`
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: job}
spec: {pytorchReplicaSpecs: {}}
`, "pytorchReplicaSpecs"},
		"another kind's replica type": {`
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: job}
spec:
  pytorchReplicaSpecs: {PS: {template: {spec: {containers: [{name: pytorch, image: i}]}}}}
`, "the replica types of a PyTorchJob are Master and Worker"},
		"two masters": {`
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: job}
spec:
  pytorchReplicaSpecs: {Master: {replicas: 2, template: {spec: {containers: [{name: pytorch, image: i}]}}}}
`, "Master must have exactly 1 replica"},
		"a name that is too long": {`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: ` + strings.Repeat("a", 54) + `}
spec:
  tfReplicaSpecs: {Worker: {replicas: 11, template: {spec: {containers: [{name: tensorflow, image: i}]}}}}
`, "metadata.name is too long"},
		"a name that is no host name": {`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: 1.job}
spec:
  tfReplicaSpecs: {Worker: {template: {spec: {containers: [{name: tensorflow, image: i}]}}}}
`, "metadata.name must be lower case letters"},
		"minAvailable larger than the job": {`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: job}
spec:
  runPolicy: {schedulingPolicy: {minAvailable: 3}}
  tfReplicaSpecs: {Worker: {replicas: 2, template: {spec: {containers: [{name: tensorflow, image: i}]}}}}
`, "minAvailable cannot be more than the replicas"},
		"an unknown manager": {`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: job}
spec:
  runPolicy: {managedBy: somebody}
  tfReplicaSpecs: {Worker: {template: {spec: {containers: [{name: tensorflow, image: i}]}}}}
`, "managedBy"},
		"an unknown restart policy": {`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: job}
spec:
  tfReplicaSpecs: {Worker: {restartPolicy: Sometimes, template: {spec: {containers: [{name: tensorflow, image: i}]}}}}
`, "restartPolicy"},
	} {
		err := e.client.Create(t.Context(), e.manifest(c.manifest))
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want a refusal that says %q", name, err, c.words)
		}
	}
}

// What only the controller can tell, it says on the job, of which nothing is left.
func TestInvalidJobs(t *testing.T) {
	e := setUp(t)
	for _, c := range []struct{ name, template, words string }{
		{"container", `{spec: {containers: [{name: main, image: i}]}}`, `must be named "tensorflow"`},
		{"empty", `{}`, `a container named "tensorflow" is needed`},
		{"image", `{spec: {containers: [{name: tensorflow}]}}`, "has no image"},
		{"malformed", `{spec: {containers: nothing}}`, "is not a pod template"},
		{"pod", `{spec: {containers: [{name: tensorflow, image: i, resources: {limits: {cpu: -1}}}]}}`, "must be greater than or equal to 0"},
	} {
		e.create(e.manifest(`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: ` + c.name + `}
spec: {tfReplicaSpecs: {Worker: {replicas: 2, template: ` + c.template + `}}}
`))
		job := tfJob(c.name, nil)
		e.expectReasonGiven(job, trainingv1.JobFailed, "TFJobFailedValidation", c.words)
		e.expectEvent("TFJob", c.name, "TFJobFailedValidation", c.words)
		e.expectNone(&podgroupv1alpha1.PodGroup{}, c.name)
		if now(e, job).Status.CompletionTime == nil {
			t.Errorf("%s: no completion time", c.name)
		}
	}
	e.expectPods()
	e.expectServices()
}

// Queue and manager of a job cannot be changed, and an edit is checked like a new job.
func TestFixedFields(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	job := tfJob("job", specs{"Worker": replicas(1, cpu(1))}, func(p *trainingv1.RunPolicy) {
		p.SchedulingPolicy = &trainingv1.SchedulingPolicy{Queue: "a"}
	})
	e.create(&schedulingv1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, job)
	e.expectConditions(job, "Created Running")
	for patch, words := range map[string]string{
		`{"spec":{"runPolicy":{"schedulingPolicy":{"queue":"b"}}}}`:                       "queue cannot be changed",
		`{"spec":{"runPolicy":{"schedulingPolicy":null}}}`:                                "queue cannot be changed",
		`{"spec":{"runPolicy":{"managedBy":"kueue.x-k8s.io/multikueue"}}}`:                "managedBy cannot be changed",
		`{"spec":{"tfReplicaSpecs":{"Trainer":{"template":{"spec":{"containers":[]}}}}}}`: "the replica types of a TFJob are",
	} {
		err := e.client.Patch(t.Context(), job.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want a refusal that says %q", patch, err, words)
		}
	}
}

// A job that runs and is edited into one that is not valid runs on.
func TestInvalidEdit(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	job := tfJob("job", specs{"Worker": replicas(2, cpu(1))})
	e.create(job)
	e.expectConditions(job, "Created Running")
	change(e, job, func(j *trainingv1.TFJob) { j.Spec.TFReplicaSpecs["Worker"].Template.Spec.Containers[0].Name = "main" })
	e.expectEvent("TFJob", "job", "TFJobFailedValidation", "left as it is until its spec is valid again")
	e.expectConditions(job, "Created Running")
	e.expectBound("job", 2)
	change(e, job, func(j *trainingv1.TFJob) {
		j.Spec.TFReplicaSpecs["Worker"].Template.Spec.Containers[0].Name = "tensorflow"
	})
	e.end("job-worker-0", 0)
	e.expectReasonGiven(job, trainingv1.JobSucceeded, "TFJobSucceeded", "")
	e.delete(job)
	e.expectPods()
}

// A job of another manager is not touched.
func TestJobManagedElsewhere(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	by := func(name string) func(*trainingv1.RunPolicy) {
		return func(p *trainingv1.RunPolicy) { p.ManagedBy = &name }
	}
	theirs := tfJob("theirs", specs{"Worker": replicas(1, cpu(1))}, by("kueue.x-k8s.io/multikueue"))
	ours := tfJob("ours", specs{"Worker": replicas(1, cpu(1))}, by("kubeflow.org/training-operator"))
	e.create(theirs, ours)
	e.expectConditions(ours, "Created Running")
	e.expectPods("ours-worker-0")
	if status := now(e, theirs).Status; len(status.Conditions) > 0 || status.StartTime != nil {
		t.Errorf("status: %+v", status)
	}
}

// Something else has the name of a job's PodGroup, or of one of its pods. The job says so, holds nothing, leaves alone
// what is not its own, and goes on once the name is free.
func TestTakenNames(t *testing.T) {
	e := setUp(t, node("node", cpu(6)))
	group := podGroup("group", 1)
	stranger := pod("one-worker-1", "", corev1.ResourceList{})
	e.create(group, stranger)
	e.expectPodBound("one-worker-1")
	other := tfJob("group", specs{"Worker": replicas(2, cpu(1))})
	one := tfJob("one", specs{"Worker": replicas(2, cpu(1))})
	e.create(other, one)
	e.expectReasonGiven(other, trainingv1.JobCreated, "TFJobNameTaken", "PodGroup group exists already")
	e.expectReasonGiven(one, trainingv1.JobCreated, "TFJobNameTaken", "Pod one-worker-1 exists already")
	e.expectEvent("TFJob", "group", "TFJobNameTaken", "does not belong to this job")
	e.expectNoneBound("group")
	e.expectNoneBound("one")
	if e.seen("group-worker-0") != nil || e.seen("group-worker-1") != nil {
		t.Error("a job without a PodGroup has pods")
	}
	if e.seen("one-worker-1").UID != stranger.UID || e.getPodGroup("group").UID != group.UID {
		t.Error("what is not the job's own was replaced")
	}
	e.delete(group, stranger)
	e.expectConditions(other, "Created Running")
	e.expectConditions(one, "Created Running")
	e.expectReasonGiven(other, trainingv1.JobCreated, "TFJobCreated", "is created")
}
