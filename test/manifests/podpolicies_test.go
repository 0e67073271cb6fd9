package manifests

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
)

// shippedPolicies returns the PodPolicies of manifests/pod-policies in their order, and the PriorityClasses beside them.
func shippedPolicies(t *testing.T) ([]*podpolicy.Policy, map[string]int32) {
	t.Helper()
	objects := buildFolder(t, "../../manifests/pod-policies")
	var policies []*podpolicy.Policy
	for _, object := range all[*schedulingv1alpha1.PodPolicy](objects) {
		policy, err := podpolicy.Compile(object)
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, policy)
	}
	podpolicy.Sort(policies)
	classes := map[string]int32{}
	for _, class := range all[*schedulingv1.PriorityClass](objects) {
		classes[class.Name] = class.Value
	}
	if len(policies) == 0 || len(classes) == 0 {
		t.Fatalf("%d policies, %d priority classes", len(policies), len(classes))
	}
	return policies, classes
}

// outcome is what a family says about a pod.
type outcome struct {
	scheduler, priority, queue, packing, preemptible, reservation, idle, ncclDebug string
	gang, role                                                                     string
	tolerates                                                                      []string
	sharedMemory, ranks                                                            bool
}

func outcomeOf(pod *corev1.Pod) outcome {
	o := outcome{
		scheduler: pod.Spec.SchedulerName, priority: pod.Spec.PriorityClassName,
		packing:     pod.Annotations[schedulingv1alpha1.PackingAnnotation],
		preemptible: pod.Annotations[schedulingv1alpha1.PreemptibleAnnotation],
		reservation: pod.Annotations[schedulingv1alpha1.ReservationAnnotation],
		idle:        pod.Annotations["notebooks.muster.dev/idle-time"],
		queue:       pod.Labels[schedulingv1alpha1.QueueLabel],
		gang:        pod.Labels[schedulingv1alpha1.PodGroupLabel],
		role:        pod.Labels[schedulingv1alpha1.RoleLabel],
	}
	for _, t := range pod.Spec.Tolerations {
		o.tolerates = append(o.tolerates, t.Key)
	}
	for _, e := range pod.Spec.Containers[0].Env {
		if e.Name == "NCCL_DEBUG" {
			o.ncclDebug = e.Value
		}
		o.ranks = o.ranks || e.Name == "PET_NNODES"
	}
	for _, m := range pod.Spec.Containers[0].VolumeMounts {
		o.sharedMemory = o.sharedMemory || m.MountPath == "/dev/shm"
	}
	return o
}

func TestShippedPolicies(t *testing.T) {
	const nvidia, amd = "nvidia.com/gpu", "amd.com/gpu"
	type labels = map[string]string
	untouched := outcome{scheduler: "default-scheduler"}
	training := outcome{scheduler: "muster", priority: "muster-training"}
	notebook := outcome{scheduler: "muster", priority: "muster-notebook"}
	gpuNotebook := outcome{scheduler: "muster", priority: "muster-notebook", packing: "pack", idle: "8h"}
	trial := outcome{scheduler: "muster", priority: "muster-trial"}
	serving := outcome{scheduler: "muster", priority: "muster-serving", packing: "spread", reservation: "ignore"}
	onNVIDIA := func(o outcome) outcome {
		o.tolerates, o.ncclDebug = []string{nvidia}, "WARN"
		return o
	}
	withMemory := func(o outcome) outcome { o.sharedMemory = true; return o }
	grouped := func(o outcome) outcome { o.gang, o.role = "llm-0123", "workers"; return o }
	ranked := func(o outcome) outcome { o.ranks, o.sharedMemory = true, true; return o }
	withQueue := func(o outcome, queue string) outcome { o.queue = queue; return o }
	gang := podpolicy.Workload{Gang: &podpolicy.Gang{PodGroup: "llm-0123", Kind: "jobset", Workload: "{}", Role: "workers"},
		Ranks: []corev1.EnvVar{{Name: "PET_NNODES", Value: "2"}}}
	inQueue := func(w podpolicy.Workload, queue, class string) podpolicy.Workload {
		w.Queue, w.PriorityClass = queue, class
		return w
	}
	jobSet := labels{"jobset.sigs.k8s.io/jobset-name": "llm", "batch.kubernetes.io/job-completion-index": "0"}
	pytorch := labels{"training.kubeflow.org/job-name": "llm", "training.kubeflow.org/operator-name": "pytorchjob-controller"}

	policies, classes := shippedPolicies(t)
	for name, c := range map[string]struct {
		labels    labels
		gpu       corev1.ResourceName
		namespace labels
		scheduler string // "": default-scheduler
		subdomain string
		workload  podpolicy.Workload
		firm      podpolicy.FirmUse
		want      outcome
	}{
		"no labels at all":   {want: untouched},
		"a web server":       {labels: labels{"app": "shop"}, want: untouched},
		"a GPU of one's own": {labels: labels{"app": "miner"}, gpu: nvidia, want: untouched},

		"TFJob":                            {labels: labels{"training.kubeflow.org/job-name": "mnist", "training.kubeflow.org/operator-name": "tfjob-controller"}, want: training},
		"MPIJob of mpi-operator":           {labels: labels{"training.kubeflow.org/job-name": "hpl", "training.kubeflow.org/operator-name": "mpi-operator"}, want: training},
		"PyTorchJob":                       {labels: pytorch, gpu: nvidia, want: withMemory(onNVIDIA(training))},
		"PyTorchJob on AMD":                {labels: pytorch, gpu: amd, want: outcome{scheduler: "muster", priority: "muster-training", tolerates: []string{amd}, sharedMemory: true, ncclDebug: "WARN"}},
		"PyTorchJob without a GPU":         {labels: pytorch, want: withMemory(training)},
		"PyTorchJob under Volcano":         {labels: pytorch, gpu: nvidia, scheduler: "volcano", want: outcome{scheduler: "volcano", priority: "muster-training", sharedMemory: true}},
		"TrainJob, by its JobSet":          {labels: labels{"jobset.sigs.k8s.io/jobset-name": "llm", "batch.kubernetes.io/job-completion-index": "0"}, want: training},
		"JobSet without a PodGroup":        {labels: jobSet, workload: gang, want: grouped(training)},
		"JobSet of its own queue":          {labels: jobSet, workload: inQueue(gang, "vision", "muster-trial"), want: withQueue(grouped(outcome{scheduler: "muster", priority: "muster-trial"}), "vision")},
		"JobSet with a subdomain":          {labels: jobSet, workload: gang, subdomain: "llm", want: ranked(grouped(training))},
		"JobSet with a PodGroup":           {labels: with(jobSet, schedulingv1alpha1.PodGroupLabel, "mine"), workload: gang, want: outcome{scheduler: "muster", priority: "muster-training", gang: "mine"}},
		"JobSet under Volcano":             {labels: jobSet, workload: gang, scheduler: "volcano", want: outcome{scheduler: "volcano", priority: "muster-training"}},
		"namespace with a class":           {labels: jobSet, namespace: labels{schedulingv1alpha1.PriorityClassLabel: "muster-notebook"}, want: outcome{scheduler: "muster", priority: "muster-notebook"}},
		"queue with a class":               {labels: with(jobSet, schedulingv1alpha1.QueueLabel, "urgent"), want: outcome{scheduler: "muster", priority: "muster-serving", queue: "urgent"}},
		"plain Job that is Muster's":       {labels: labels{"batch.kubernetes.io/job-name": "backup"}, scheduler: "muster", workload: gang, want: outcome{scheduler: "muster"}},
		"LeaderWorkerSet":                  {labels: labels{"leaderworkerset.sigs.k8s.io/name": "llm"}, gpu: nvidia, want: onNVIDIA(training)},
		"Indexed Job with GPUs":            {labels: labels{"batch.kubernetes.io/job-completion-index": "3"}, gpu: nvidia, want: onNVIDIA(training)},
		"Indexed Job with a part of a GPU": {labels: labels{"batch.kubernetes.io/job-completion-index": "3"}, gpu: "nvidia.com/mig-1g.10gb", want: onNVIDIA(training)},
		"Indexed Job without GPUs":         {labels: labels{"batch.kubernetes.io/job-completion-index": "3"}, want: untouched},
		"plain Job with a GPU":             {labels: labels{"batch.kubernetes.io/job-name": "backup"}, gpu: nvidia, want: untouched},
		"PyTorchJob that opted out":        {labels: labels{"training.kubeflow.org/job-name": "llm", schedulingv1alpha1.SkipPodPoliciesLabel: "true"}, want: untouched},
		"PyTorchJob, namespace is out":     {labels: pytorch, namespace: labels{schedulingv1alpha1.SkipPodPoliciesLabel: "true"}, want: untouched},

		"notebook":            {labels: labels{"notebook-name": "ann"}, want: notebook},
		"notebook with a GPU": {labels: labels{"notebook-name": "ann"}, gpu: nvidia, want: onNVIDIA(gpuNotebook)},
		"firm notebook": {labels: labels{"notebook-name": "ann"}, firm: podpolicy.FirmUse{User: "ann", Fits: true},
			want: outcome{scheduler: "muster", priority: "muster-notebook", preemptible: "false"}},
		"a user's second notebook":         {labels: labels{"notebook-name": "ann"}, firm: podpolicy.FirmUse{User: "ann", Fits: true, Pods: 1}, want: notebook},
		"notebook beyond the guarantee":    {labels: labels{"notebook-name": "ann"}, firm: podpolicy.FirmUse{User: "ann"}, want: notebook},
		"notebook whose owner has a queue": {labels: labels{"notebook-name": "ann"}, workload: inQueue(podpolicy.Workload{}, "desk", "muster-serving"), want: withQueue(notebook, "desk")},

		"trial, a plain Job":   {labels: labels{"katib.kubeflow.org/trial": "t-1", "batch.kubernetes.io/job-name": "t-1"}, want: trial},
		"trial, a JobSet":      {labels: with(jobSet, "katib.kubeflow.org/trial", "t-1"), workload: inQueue(gang, "sweep", ""), want: withQueue(grouped(trial), "sweep")},
		"trial, a PyTorchJob":  {labels: with(pytorch, "katib.kubeflow.org/trial", "t-1"), gpu: nvidia, want: withMemory(onNVIDIA(trial))},
		"predictor of KServe":  {labels: labels{"serving.kserve.io/inferenceservice": "bert"}, gpu: nvidia, want: onNVIDIA(serving)},
		"revision of Knative":  {labels: labels{"serving.knative.dev/revision": "bert-00001"}, want: serving},
		"KServe on many nodes": {labels: labels{"serving.kserve.io/inferenceservice": "llm", "leaderworkerset.sigs.k8s.io/name": "llm"}, want: serving},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "default-scheduler", Containers: []corev1.Container{{Name: "main"}}}}
			pod.Labels = c.labels
			if c.scheduler != "" {
				pod.Spec.SchedulerName = c.scheduler
			}
			if c.gpu != "" {
				pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{c.gpu: resource.MustParse("1")}
			}
			pod.Spec.Subdomain = c.subdomain
			around := podpolicy.Surroundings{Namespace: podpolicy.Namespace{Name: "team", Labels: c.namespace}, PriorityClasses: sets.KeySet(classes),
				QueueClasses: map[string]string{"urgent": "muster-serving"}, Workload: &c.workload, Firm: &c.firm}
			result := podpolicy.Apply(t.Context(), pod, around, policies)
			if diff := cmp.Diff(c.want, outcomeOf(result.Pod), cmp.AllowUnexported(outcome{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, problem := range result.Problems {
				t.Error(problem)
			}
			if again := podpolicy.Apply(t.Context(), result.Pod, around, policies); len(again.Changes) > 0 {
				t.Errorf("the second time: %+v", again.Changes)
			}
		})
	}
}

func with(labels map[string]string, key, value string) map[string]string {
	labels = maps.Clone(labels)
	labels[key] = value
	return labels
}

func TestShippedPrioritiesAreInOrder(t *testing.T) {
	_, classes := shippedPolicies(t)
	order := []string{"muster-trial", "muster-training", "muster-notebook", "muster-serving"}
	if !slices.IsSortedFunc(order, func(a, b string) int { return int(classes[a]) - int(classes[b]) }) || len(classes) != len(order) {
		t.Errorf("priorities %v, expected to rise along %v", classes, order)
	}
	if classes["muster-training"] != 0 || classes["muster-trial"] <= -10 || classes["muster-trial"] >= 0 {
		t.Errorf("training has no other priority than pods without a class, trials a lower one for which nodes are still added: %v", classes)
	}
}
