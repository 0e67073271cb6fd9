package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// warned collects what the API server warns a client of.
type warned struct {
	mu   sync.Mutex
	text string
}

func (w *warned) HandleWarningHeaderWithContext(_ context.Context, _ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text += text + "\n"
}

// warnedClient is a client whose warnings can be read.
func (e *env) warnedClient() (client.Client, *warned) {
	e.Helper()
	warnings := &warned{}
	config := shared.cluster.RESTConfig()
	config.WarningHandlerWithContext = rest.WarningHandlerWithContext(warnings)
	c, err := client.New(config, client.Options{Scheme: e.client.Scheme()})
	e.do(err)
	return c, warnings
}

// What one object alone does not show to be wrong is refused, and what may yet become right is warned of.
func TestRefusalsOfWebhooks(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	c, warnings := e.warnedClient()
	refused := func(what, says string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", what, err, says)
		}
	}
	build := func(short string, edits ...queueEdit) *schedulingv1alpha1.Queue {
		q := &schedulingv1alpha1.Queue{}
		q.Name = e.queueName(short)
		for _, edit := range edits {
			edit(&q.Spec)
		}
		return q
	}
	top := e.queue("top", guarantee(cpu(2)))
	e.queue("leaf", e.below("top"), guarantee(cpu(2)))
	e.eventually("the webhook knows the queues", func(ctx context.Context) (bool, string) {
		err := c.Create(ctx, build("greedy", e.below("top"), guarantee(cpu(1))), client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "guarantees 2 cpu, but the queues in it 3 together"), ""
	})
	edited := func(edits ...queueEdit) *schedulingv1alpha1.Queue {
		q := e.getQueue("top")
		for _, edit := range edits {
			edit(&q.Spec)
		}
		return q
	}
	refused("a circle", "is its own ancestor", c.Update(t.Context(), edited(e.below("leaf"))))
	refused("a guarantee that is lowered below those of the parts", "guarantees 1 cpu, but the queues in it 2 together", c.Update(t.Context(), edited(guarantee(cpu(1)))))
	refused("a queue with queues in it is deleted", "has queues in it", c.Delete(t.Context(), top))
	e.do(c.Create(t.Context(), build("orphan", e.below("nowhere")), client.DryRunAll))
	if !strings.Contains(warnings.text, "does not exist") {
		t.Errorf("a queue whose parent is yet to come was warned of with %q", warnings.text)
	}

	e.createPods(pod("inside", "", cpu(1), e.ofQueue("leaf")))
	e.eventually("a queue is not deleted with a gang in it, though its status says that there is none", func(ctx context.Context) (bool, string) {
		leaf := e.getQueue("leaf")
		none := leaf.DeepCopy()
		none.Status.AdmittedGangs, none.Status.PendingGangs = 0, 0
		e.do(c.Status().Patch(ctx, none, client.MergeFrom(leaf)))
		err := c.Delete(ctx, leaf)
		return err != nil && strings.Contains(err.Error(), "inside among them"), fmt.Sprint(err)
	})

	group := podGroup("gang", 3, minMembers(`{"ps":2,"worker":2}`), e.inQueue("nowhere"))
	group.Namespace = e.namespace
	refused("a gang whose roles are more than all", "adds up to 4", c.Create(t.Context(), group))
	group.Annotations = nil
	e.do(c.Create(t.Context(), group, client.DryRunAll))
	if !strings.Contains(warnings.text, "there is no queue") {
		t.Errorf("a gang whose queue is yet to come was warned of with %q", warnings.text)
	}
}
