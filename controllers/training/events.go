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
	return cut(message, maxMessage)
}

// cut leaves at most so many bytes of a text, and shows where it was longer.
func cut(text string, room int) string {
	if len(text) <= room {
		return text
	}
	return strings.ToValidUTF8(text[:max(0, room-len("…"))], "") + "…"
}
