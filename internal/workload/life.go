package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Over says whether the workload has no pods any more, or none for now: it has finished, or is suspended.
func Over(object *unstructured.Unstructured) bool {
	for _, path := range [][]string{{"spec", "suspend"}, {"spec", "runPolicy", "suspend"}} {
		if suspended, _, _ := unstructured.NestedBool(object.Object, path...); suspended {
			return true
		}
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(item any) bool {
		condition, ok := item.(map[string]any)
		return ok && condition["status"] == "True" &&
			slices.Contains([]any{"Complete", "Completed", "Succeeded", "Failed"}, condition["type"])
	})
}

// Running says whether pods of a Job run. Kinds whose pods cannot be told so are not running.
func Running(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Job" && number(object.Object, 0, "status", "ready") > 0
}

// Left is how many pods a Job still makes, and false where that has no bound.
func Left(object *unstructured.Unstructured) (int32, bool) {
	if object.GetKind() != "Job" {
		return 0, false
	}
	if _, limited, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "completions"); !limited {
		// Once one has succeeded, no further ones are made.
		return number(object.Object, 0, "status", "active"), number(object.Object, 0, "status", "succeeded") > 0
	}
	failed, _, _ := unstructured.NestedString(object.Object, "status", "failedIndexes")
	left := number(object.Object, 1, "spec", "completions") - number(object.Object, 0, "status", "succeeded") - indexes(failed)
	return max(0, left), true
}

// Lower lowers a gang's minimum to what there can be of it: what the Job still makes, with the succeeded pods that exist, which
// count as members.
func (g Gang) Lower(object *unstructured.Unstructured, succeeded int32) Gang {
	left, bounded := Left(object)
	if most := left + succeeded; bounded && most < g.MinMember {
		g.MinMember = max(1, most)
		g.Why += fmt.Sprintf("; %d pods are left of it", most)
	}
	return g
}

// Without lowers a gang's minimum by the pods of the workload that are not in the gang, and run or wait by themselves.
func (g Gang) Without(strays int32) Gang {
	g.MinMember = max(1, g.MinMember-strays)
	g.Why += fmt.Sprintf("; %d of its pods are not in the gang, since they were created without it", strays)
	return g
}

// indexes counts those of a list such as 1,3-5.
func indexes(list string) int32 {
	count := int64(0)
	for part := range strings.SplitSeq(list, ",") {
		first, last, ranged := strings.Cut(part, "-")
		from, err := strconv.ParseUint(first, 10, 31)
		if err != nil {
			continue
		}
		to := from
		if ranged {
			if to, err = strconv.ParseUint(last, 10, 31); err != nil || to < from {
				continue
			}
		}
		count += int64(to-from) + 1
	}
	return int32(min(count, 1<<30))
}
