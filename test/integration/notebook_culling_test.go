package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// Notebooks are stopped once nothing has happened in them for their idle time: nothing in kernels, terminals or VS Code.
// Of those that do not tell, nothing is concluded.
func TestIdleNotebooksAreStopped(t *testing.T) {
	e := setUp(t, node("node", cpu(16)))
	state := func(state, last string) []any {
		return []any{map[string]any{"id": "k", "execution_state": state, "last_activity": last}}
	}
	heartbeat := func(at time.Time) map[string]func() any {
		return map[string]func() any{"/healthz": func() any {
			return map[string]any{"status": "alive", "lastHeartbeat": at.UnixMilli()}
		}}
	}
	long := since(48 * time.Hour)
	soon := time.Now().Add(time.Hour) // as good as always just now
	terminal := []any{map[string]any{"name": "1", "last_activity": soon.UTC().Format(time.RFC3339Nano)}}

	e.serve("unused", jupyter([]any{}, []any{}))
	e.serve("kernel", jupyter(state("idle", long), []any{}))
	active := []string{"busy", "terminal", "vscode", "untold", "extra"}
	e.serve("busy", jupyter(state("busy", long), []any{}))
	e.serve("terminal", jupyter(state("idle", long), terminal))
	e.serve("vscode", heartbeat(soon))
	e.serve("untold", heartbeat(soon)) // which no annotation says
	extra := jupyter([]any{}, []any{})
	extra["/vscode/healthz"] = func() any { return map[string]any{"last_activity": soon} }
	e.serve("extra", extra)
	silent := []string{"down", "rstudio", "firm"}
	e.serve("firm", jupyter([]any{}, []any{}))

	types := map[string]string{"vscode": notebookv1.ServerCodeServer, "rstudio": notebookv1.ServerRStudio, "busy": notebookv1.ServerJupyter}
	for _, name := range append(append([]string{"unused", "kernel"}, active...), silent...) {
		nb := notebook(name, with(notebookv1.IdleTimeAnnotation, "1s"))
		if server := types[name]; server != "" {
			nb.Annotations[notebookv1.ServerTypeAnnotation] = server
		}
		switch name {
		case "extra":
			nb.Annotations[notebookv1.ActivityPathAnnotation] = "vscode/healthz"
		case "firm":
			nb.Annotations[notebookv1.IdleTimeAnnotation] = "never"
		}
		e.create(nb)
	}
	e.expectCulled("unused")
	e.expectCulled("kernel")
	for _, name := range append(active, silent...) {
		e.expectReady(name)
	}
	e.expectAsked(15, append(active, "down", "firm")...)
	for _, name := range append(active, silent...) {
		e.expectReady(name)
	}
	for _, name := range append(active, "firm") {
		if last := now(e, notebook(name)).Annotations[notebookv1.LastActivityAnnotation]; last == "" {
			e.Errorf("no activity is noted of %s", name)
		}
	}

	// They come to rest.
	e.serve("busy", jupyter(state("idle", long), []any{}))
	e.serve("terminal", jupyter(state("idle", long), []any{}))
	e.serve("vscode", heartbeat(time.Now().Add(-time.Hour)))
	e.serve("untold", heartbeat(time.Now().Add(-time.Hour)))
	e.serve("extra", map[string]func() any{"/vscode/healthz": func() any { return map[string]any{"last_activity": long} }})
	for _, name := range active {
		e.expectCulled(name)
	}

	// Whoever starts one again has it for its idle time at least; this one for ever.
	change(e, notebook("busy"), func(nb *notebookv1.Notebook) {
		delete(nb.Annotations, notebookv1.StoppedAnnotation)
		nb.Annotations[notebookv1.IdleTimeAnnotation] = "24h"
	})
	e.expectReady("busy")
}

// expectCulled waits until the notebook was stopped for being idle.
func (e *env) expectCulled(name string) {
	e.Helper()
	e.eventually("notebook "+name+" is stopped", func(context.Context) (bool, string) {
		nb := now(e, notebook(name))
		stopped, err := time.Parse(time.RFC3339, nb.Annotations[notebookv1.StoppedAnnotation])
		set := now(e, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name}})
		return err == nil && !stopped.IsZero() && nb.Annotations[notebookv1.LastActivityAnnotation] == "" &&
			*set.Spec.Replicas == 0 && e.seen(name+"-0") == nil, fmt.Sprint(nb.Annotations)
	})
	e.expectEvent("Notebook", name, "Culled", "has not been used since")
}
