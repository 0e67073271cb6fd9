package explain

import (
	"fmt"
	"strings"
)

// Origin is how a pod came under Muster, and into its gang.
type Origin struct {
	// Workload is what the gang was made for where it was not made by hand, such as "Job llm"; "" for gangs of users and jobs of
	// Muster's own. Minimum is how many of its pods must start together, Why where that comes from.
	Workload string
	Minimum  int32
	Why      string

	// Policies are the PodPolicies that matched the pod, with what each changed.
	Policies []Applied

	// More is how many changes the pod does not tell one by one.
	More int

	// Problems are PodPolicies that are not followed, or not for all pods, in words.
	Problems []string
}

// Applied is a PodPolicy that matched a pod.
type Applied struct {
	Name    string
	Changes []PolicyChange
}

// PolicyChange is one thing that a policy changed on a pod.
type PolicyChange struct {
	Policy     string `json:"policy"`
	Field      string `json:"field"`
	From       string `json:"from,omitempty"`
	To         string `json:"to,omitempty"`
	Containers int    `json:"containers,omitempty"`
}

// PolicyRecord is what the annotation scheduling.muster.dev/pod-policies of a pod holds, as JSON.
type PolicyRecord struct {
	Policies []string       `json:"policies"`
	Changes  []PolicyChange `json:"changes"`
	More     int            `json:"more,omitempty"`
}

// Applied is what the policies of a record changed, each by itself, in their order.
func (r PolicyRecord) Applied() []Applied {
	all := make([]Applied, len(r.Policies))
	for i, name := range r.Policies {
		all[i].Name = name
		for _, change := range r.Changes {
			if change.Policy == name {
				all[i].Changes = append(all[i].Changes, change)
			}
		}
	}
	return all
}

// Text says it in a few lines that go below those of the gang; it is empty where there is nothing to say.
func (o Origin) Text(look Look) string {
	f := &facts{Look: look}
	if o.Workload != "" {
		f.add("Grouped", fmt.Sprintf("as %s, of which %d must start together: %s", o.Workload, o.Minimum, o.Why))
	}
	var lines []string
	for _, policy := range o.Policies {
		lines = append(lines, policy.text())
	}
	if o.More > 0 {
		lines = append(lines, fmt.Sprintf("and %s more", count(o.More, "change")))
	}
	f.add("Policies", lines...)
	f.add("Problems", o.Problems...)
	return f.out.String()
}

func (a Applied) text() string {
	if len(a.Changes) == 0 {
		return a.Name + " changed nothing"
	}
	changes := make([]string, len(a.Changes))
	for i, change := range a.Changes {
		changes[i] = change.text()
	}
	return a.Name + " set " + strings.Join(changes, "; ")
}

func (c PolicyChange) text() string {
	text := strings.TrimPrefix(c.Field, "spec.")
	if c.To != "" {
		text += " " + c.To
	}
	if c.From != "" {
		text += fmt.Sprintf(" (it was %s)", c.From)
	}
	if c.Containers > 1 {
		text += fmt.Sprintf(" in %d containers", c.Containers)
	}
	return text
}
