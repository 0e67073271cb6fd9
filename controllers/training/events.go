package training

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// event is what is told about a job once its status has been written.
type event struct {
	kind    string // corev1.EventTypeNormal or corev1.EventTypeWarning
	reason  string
	message string
}

func normal(reason, format string, args ...any) event {
	return event{corev1.EventTypeNormal, reason, fmt.Sprintf(format, args...)}
}

func warning(reason, format string, args ...any) event {
	return event{corev1.EventTypeWarning, reason, fmt.Sprintf(format, args...)}
}

// maxMessage is the greatest length, in bytes, of an event's note.
const maxMessage = 1024

// shorten cuts a message so that the API server takes it in an event.
func shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage-len("…")], "") + "…"
}
