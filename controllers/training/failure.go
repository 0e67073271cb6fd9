package training

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
)

const (
	fewPods  = 5   // are described, the others counted
	fewLines = 3   // of what a pod said last are told
	saidRoom = 600 // bytes are for what all of the pods said: of the 1,024 that an event may have, names need the rest
)

// describe names the first few of the members, how they ended, and what they said last.
func (k *kind) describe(members []member) string {
	var parts []string
	for i, m := range members {
		if i == fewPods {
			parts = append(parts, fmt.Sprintf("and %d more", len(members)-fewPods))
			break
		}
		parts = append(parts, k.describeFailure(m, saidRoom/min(len(members), fewPods)))
	}
	return strings.Join(parts, ", ")
}

// describeFailure says how a pod ended, and what it said last in so many bytes.
func (k *kind) describeFailure(m member, room int) string {
	if m.pod == nil {
		return m.name + ": gone"
	}
	why, said := failureOf(m.pod, k.mainOf(m.pod))
	for _, text := range []string{why, lastLines(said, room)} {
		if text != "" {
			m.name += ": " + text
		}
	}
	return m.name
}

// failureOf is why a pod ended, and what it said then. What the cluster did comes first, then how the main container ended,
// then how another one did.
func failureOf(pod *corev1.Pod, container string) (why, said string) {
	if pod.Status.Reason != "" {
		return pod.Status.Reason, pod.Status.Message
	}
	if c := disruption(pod); c != nil {
		return c.Reason, c.Message
	}
	if end := ending(pod.Status.ContainerStatuses, container); end != nil && end.ExitCode != 0 {
		return howEnded(end), end.Message
	}
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, c := range statuses {
			if end := ending(statuses, c.Name); end != nil && end.ExitCode != 0 {
				return fmt.Sprintf("container %s: %s", c.Name, howEnded(end)), end.Message
			}
		}
	}
	if code, ok := exitCode(pod, container); ok {
		return fmt.Sprintf("exit code %d", code), ""
	}
	if pod.DeletionTimestamp != nil {
		return "deleted", ""
	}
	return "", ""
}

// ending is how a container ended, and if it was restarted since, how it did before. Nil: it has not.
func ending(statuses []corev1.ContainerStatus, container string) *corev1.ContainerStateTerminated {
	for _, c := range statuses {
		if c.Name == container && c.State.Terminated != nil {
			return c.State.Terminated
		} else if c.Name == container {
			return c.LastTerminationState.Terminated
		}
	}
	return nil
}

// howEnded names the exit code, and the reason where it says more than that.
func howEnded(end *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d", end.ExitCode)
	if end.Reason != "" && end.Reason != "Error" && end.Reason != "Completed" {
		text += " (" + end.Reason + ")"
	}
	return text
}

// escapes are what terminals read as colours and movements.
var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)

// lastLines is the last line that says something and, as far as they fit in so many bytes, those before it, the last one
// first: a program tells at last what has ended it.
func lastLines(message string, room int) string {
	message = escapes.ReplaceAllString(strings.ToValidUTF8(message, ""), "")
	lines := strings.FieldsFunc(message, func(r rune) bool { return r == '\n' || r == '\r' })
	var said []string
	for _, line := range slices.Backward(lines) {
		line = strings.Join(strings.FieldsFunc(line, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
		if !strings.ContainsFunc(line, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			continue // a rule, or a bracket
		}
		if len(said) == fewLines || len(said) > 0 && len(line) > room {
			break
		}
		said = append(said, cut(line, room))
		room -= len(line) + len(" | ")
	}
	return strings.Join(said, " | ")
}

// blame names the pods whose restart was one too many: those, or else those with containers that were restarted in place.
func (p *pass) blame(restarted []member) string {
	if len(restarted) == 0 {
		for _, m := range p.members {
			if m.pod != nil && containerRestarts(m.pod) > 0 {
				restarted = append(restarted, m)
			}
		}
	}
	if len(restarted) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", p.describe(restarted))
}
