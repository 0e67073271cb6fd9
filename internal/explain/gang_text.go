package explain

import (
	"fmt"
	"time"
)

// fewNodes is how many nodes are named where there are many.
const fewNodes = 4

// Title is what the gang is called: "PodGroup team-a/llm".
func (g Gang) Title() string {
	return fmt.Sprintf("%s %s/%s", kindName(g.Kind), g.Namespace, g.Name)
}

// Text says in a few lines why the gang waits, where it stands, when it will start and what would help; or that it runs.
// The name is what to call it: its Title, or that of the job which it is made of.
func (g Gang) Text(name string, now time.Time, look Look) string {
	f := &facts{Look: look}
	f.sentence(fmt.Sprintf("%s %s.", name, g.state(now)))
	if g.Message != "" {
		f.paragraph(g.Message)
	}
	f.out.WriteString("\n")
	f.add("Queue", path(g.Queue, g.Chain))
	if g.Position > 0 {
		f.add("In line", fmt.Sprintf("%s of %d in queue %s", ordinal(g.Position), max(g.WaitingInQueue, g.Position), g.Queue))
	}
	f.add("Pods", g.pods())
	if asked := amountsText(g.Asked); asked != "" {
		f.add("Asks for", asked)
	}
	if g.Priority != 0 {
		f.add("Priority", fmt.Sprint(g.Priority))
	}
	if g.ExpectedRuntimeSeconds > 0 {
		f.add("Runs for", "about "+span(time.Duration(g.ExpectedRuntimeSeconds)*time.Second))
	}
	if !g.ExpectedEnd.IsZero() {
		f.add("Ends", ahead(g.ExpectedEnd, now)+", by its expected run time")
	}
	if g.Reservation != nil {
		f.add("Starts", g.Reservation.text(now))
	}
	if g.MakingRoom != nil {
		f.add("Makes room", g.MakingRoom.lines(now)...)
	}
	f.add("Would help", g.Hints...)
	return f.out.String()
}

// state completes the sentence that starts with the gang's name.
func (g Gang) state(now time.Time) string {
	switch {
	case g.Reason != "":
		return waits(g.Reason) + ago(g.Since, now)
	case !g.Started.IsZero():
		return "runs" + ago(g.Started, now)
	}
	return "has what it asks for"
}

// pods says how many pods there are, and how many there must be.
func (g Gang) pods() string {
	if g.Kind == KindPod {
		return "a single one, which belongs to no PodGroup"
	}
	text := fmt.Sprintf("%d must start together; %d exist, %d run", g.MinMember, g.Members, g.Running)
	if g.Running == 0 {
		text = fmt.Sprintf("%d must start together; %d exist, none runs", g.MinMember, g.Members)
	}
	return text
}

// text says when the gang starts and where room is kept.
func (r Reservation) text(now time.Time) string {
	text := "when others end that do not say how long they run"
	if r.Known {
		text = ahead(r.Start, now) + ", if the expected run times hold"
	}
	if len(r.Nodes) > 0 {
		text += fmt.Sprintf("; room is kept on %s (%s)", count(len(r.Nodes), "node"), some(r.Nodes, fewNodes))
	}
	return text
}

// lines names who is leaving.
func (m MakingRoom) lines(now time.Time) []string {
	lines := []string{fmt.Sprintf("%s leaving%s", gangsAre(len(m.Victims)), ago(m.Since, now))}
	for _, v := range m.Victims {
		lines = append(lines, fmt.Sprintf("%s/%s of queue %s: %s", v.Namespace, v.Name, v.Queue, v.pods()))
	}
	return lines
}

func gangsAre(n int) string {
	if n == 1 {
		return "1 gang is"
	}
	return fmt.Sprintf("%d gangs are", n)
}

// pods says how much of the victim goes.
func (v Victim) pods() string {
	switch {
	case !v.Whole:
		return fmt.Sprintf("%s above its minimum", count(v.Pods, "pod"))
	case v.Pods == 1:
		return "its only pod"
	}
	return fmt.Sprintf("all %d pods", v.Pods)
}
