package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// Pod is what matters of a pod for which gang it is in.
type Pod struct {
	Name   string // "" where the API server is to make it up
	Labels map[string]string
}

// Gang is how many pods of a workload, or of the part of it that its Ref names, have to start together.
type Gang struct {
	Ref
	MinMember int32

	// Why says in words where the number comes from.
	Why string
}

// kind is what is different from one kind of workload to the other.
type kind struct {
	group string
	// part is the part that the pod belongs to; false where that cannot be told.
	part func(object *unstructured.Unstructured, pod Pod) (string, bool)
	// size is how many pods a part has at a time, with the reason, and whether they are a gang if nobody says otherwise.
	size func(object *unstructured.Unstructured, part string) (pods int32, why string, gang bool)
}

func whole(*unstructured.Unstructured, Pod) (string, bool) { return "", true }

var kinds = map[string]kind{
	"Job":             {"batch", whole, jobSize},
	"JobSet":          {"jobset.x-k8s.io", jobSetPart, jobSetSize},
	"LeaderWorkerSet": {"leaderworkerset.x-k8s.io", groupPart, groupSize},
	"TFJob":           {"kubeflow.org", whole, kubeflowSize},
	"PyTorchJob":      {"kubeflow.org", whole, kubeflowSize},
	"MPIJob":          {"kubeflow.org", whole, kubeflowSize},
	"XGBoostJob":      {"kubeflow.org", whole, kubeflowSize},
	"PaddleJob":       {"kubeflow.org", whole, kubeflowSize},
	"JAXJob":          {"kubeflow.org", whole, kubeflowSize},
	"MXJob":           {"kubeflow.org", whole, kubeflowSize},
}

// Known says whether objects of the kind are workloads.
func Known(k schema.GroupVersionKind) bool {
	known, ok := kinds[k.Kind]
	return ok && known.group == k.Group
}

// Of returns the gang that the pod belongs to as one of the workload's. It is false where the pods start one by one: where a
// gang has one member, where some pods are created only after others run, or where the workload says so.
func Of(object *unstructured.Unstructured, pod Pod) (Gang, bool) {
	if !Known(object.GroupVersionKind()) {
		return Gang{}, false
	}
	part, ok := kinds[object.GetKind()].part(object, pod)
	if !ok {
		return Gang{}, false
	}
	return Part(object, part)
}

// Part returns the gang that a part of the workload is; it is false where its pods start one by one.
func Part(object *unstructured.Unstructured, part string) (Gang, bool) {
	if !Known(object.GroupVersionKind()) {
		return Gang{}, false
	}
	pods, why, isGang := kinds[object.GetKind()].size(object, part)
	gang := Gang{MinMember: pods, Why: why, Ref: Ref{
		APIVersion: object.GetAPIVersion(), Kind: object.GetKind(), Name: object.GetName(), UID: object.GetUID(), Part: part,
	}}
	switch said := object.GetAnnotations()[v1alpha1.GangAnnotation]; said {
	case "":
	case "true":
		isGang = true
	case "false":
		isGang = false
	default:
		n, err := strconv.ParseInt(said, 10, 32)
		if err != nil || n < 1 {
			gang.Why += fmt.Sprintf("; its annotation %s is %q, which is no number above 0, true or false", v1alpha1.GangAnnotation, said)
			break
		}
		isGang = true
		if int32(n) < pods {
			gang.MinMember, gang.Why = int32(n), fmt.Sprintf("its annotation %s says so; %s", v1alpha1.GangAnnotation, why)
		}
	}
	return gang, isGang && gang.MinMember > 1
}

// number reads an integer of an object; otherwise where it is absent or no integer.
func number(object map[string]any, otherwise int32, fields ...string) int32 {
	value, _, _ := unstructured.NestedFieldNoCopy(object, fields...)
	switch n := value.(type) {
	case int64:
		return int32(max(0, min(n, 1<<30)))
	case float64:
		return int32(max(0, min(n, 1<<30)))
	}
	return otherwise
}

// jobSize is parallelism. A Job with more completions than that runs its pods in turns, so they do not need each other.
func jobSize(job *unstructured.Unstructured, _ string) (int32, string, bool) {
	pods, why, together := atATime(job.Object)
	return pods, why, together && pods > 1
}

// atATime is how many pods a Job, or the template of one, has at a time, and whether those are all it has.
func atATime(job map[string]any) (int32, string, bool) {
	parallelism := number(job, 1, "spec", "parallelism")
	why := fmt.Sprintf("spec.parallelism %d", parallelism)
	if _, limited, _ := unstructured.NestedFieldNoCopy(job, "spec", "completions"); !limited {
		return parallelism, why, true
	}
	completions := number(job, 1, "spec", "completions")
	return min(parallelism, completions), why + fmt.Sprintf(", spec.completions %d", completions), completions <= parallelism
}

// replicatedJobs are those of a JobSet, by name in their order.
func replicatedJobs(jobSet *unstructured.Unstructured) (jobs []map[string]any, ordered bool) {
	list, _, _ := unstructured.NestedSlice(jobSet.Object, "spec", "replicatedJobs")
	order, _, _ := unstructured.NestedString(jobSet.Object, "spec", "startupPolicy", "startupPolicyOrder")
	ordered = order == "InOrder"
	for _, item := range list {
		job, ok := item.(map[string]any)
		if !ok {
			continue
		}
		jobs = append(jobs, job)
		after, _, _ := unstructured.NestedSlice(job, "dependsOn")
		ordered = ordered || len(after) > 0
	}
	return jobs, ordered
}

// jobSetPart is the whole JobSet, unless some of its jobs are created only after others run or have ended: then each replicated
// job is by itself, or none would ever be complete.
func jobSetPart(jobSet *unstructured.Unstructured, pod Pod) (string, bool) {
	if _, ordered := replicatedJobs(jobSet); !ordered {
		return "", true
	}
	part := pod.Labels[replicatedJobLabel]
	return part, part != ""
}

func jobSetSize(jobSet *unstructured.Unstructured, part string) (int32, string, bool) {
	jobs, _ := replicatedJobs(jobSet)
	pods, why := int32(0), []string{}
	for _, job := range jobs {
		name, _, _ := unstructured.NestedString(job, "name")
		if part != "" && name != part {
			continue
		}
		template, _, _ := unstructured.NestedMap(job, "template")
		each, _, _ := atATime(template)
		replicas := number(job, 1, "replicas")
		pods += int32(min(int64(replicas)*int64(each), 1<<20))
		why = append(why, fmt.Sprintf("%s %d×%d", name, replicas, each))
	}
	text := "replicated jobs " + strings.Join(why, ", ")
	if follows(jobSet, jobs) {
		return 1, text + ", whose pods are created once their leader has a node", false
	}
	return pods, text, pods > 1
}

// follows says whether JobSet's own webhook refuses pods until the first of their Job has a node, so that each Job has a domain to
// itself.
func follows(jobSet *unstructured.Unstructured, jobs []map[string]any) bool {
	const exclusive, bySelector = "alpha.jobset.sigs.k8s.io/exclusive-topology", "alpha.jobset.sigs.k8s.io/node-selector"
	all := []map[string]string{jobSet.GetAnnotations()}
	for _, job := range jobs {
		annotations, _, _ := unstructured.NestedStringMap(job, "template", "metadata", "annotations")
		all = append(all, annotations)
	}
	return slices.ContainsFunc(all, func(annotations map[string]string) bool {
		_, selects := annotations[bySelector]
		return annotations[exclusive] != "" && !selects
	})
}

const (
	jobSetLabel        = "jobset.sigs.k8s.io/jobset-name"
	replicatedJobLabel = "jobset.sigs.k8s.io/replicatedjob-name"
	groupIndexLabel    = "leaderworkerset.sigs.k8s.io/group-index"
)

// groupPart is the index of the group that a pod of a LeaderWorkerSet is in: as a label says it, or as the name does, which is
// SET-GROUP for leaders and SET-GROUP-WORKER for the others.
func groupPart(set *unstructured.Unstructured, pod Pod) (string, bool) {
	group := pod.Labels[groupIndexLabel]
	if group == "" {
		rest, _ := strings.CutPrefix(pod.Name, set.GetName()+"-")
		group, _, _ = strings.Cut(rest, "-")
	}
	_, err := strconv.ParseUint(group, 10, 31)
	return group, err == nil
}

// groupSize is the size of each group. Where the workers are created only once the leader is ready, it has to start alone.
func groupSize(set *unstructured.Unstructured, _ string) (int32, string, bool) {
	size := number(set.Object, 1, "spec", "leaderWorkerTemplate", "size")
	policy, _, _ := unstructured.NestedString(set.Object, "spec", "startupPolicy")
	if policy == "LeaderReady" {
		return 1, "spec.startupPolicy LeaderReady", false
	}
	if set.GetAnnotations()["leaderworkerset.sigs.k8s.io/exclusive-topology"] != "" {
		return 1, "a group with a domain to itself, whose workers are created once the leader has a node", false
	}
	return size, fmt.Sprintf("spec.leaderWorkerTemplate.size %d", size), size > 1
}

// kubeflowSize is schedulingPolicy.minAvailable, else the replicas of all types; those of an elastic PyTorchJob's workers
// without which it does not start.
func kubeflowSize(job *unstructured.Unstructured, _ string) (int32, string, bool) {
	spec, _, _ := unstructured.NestedMap(job.Object, "spec")
	if n := number(spec, 0, "runPolicy", "schedulingPolicy", "minAvailable"); n > 0 {
		return n, fmt.Sprintf("schedulingPolicy.minAvailable %d", n), n > 1
	}
	pods := int32(0)
	waits, _, _ := unstructured.NestedString(spec, "launcherCreationPolicy")
	for field := range spec {
		if !strings.HasSuffix(field, "ReplicaSpecs") {
			continue
		}
		types, _, _ := unstructured.NestedMap(spec, field)
		for name, replicas := range types {
			replicas, ok := replicas.(map[string]any)
			if !ok || name == "Launcher" && waits == "WaitForWorkersReady" {
				continue
			}
			n := number(replicas, 1, "replicas")
			if name == "Worker" {
				n = min(n, number(spec, n, "elasticPolicy", "minReplicas"))
			}
			pods += min(n, 1<<20)
		}
	}
	return pods, fmt.Sprintf("%d replicas", pods), pods > 1
}
