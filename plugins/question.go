package plugins

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/plugins/query"
	"github.com/muster-scheduling/muster/plugins/state"
)

// questions are answered inside of scheduling cycles, since only there the snapshot and the planner may be used. A pod that
// nobody else sees stands for each in the scheduling queue. Its cycle answers and then ends as if the cluster had no nodes,
// which no plugin hears of.
type questions struct {
	sched *scheduler.Scheduler
	gangs *state.Store
	// turn is held by the one question that is in the queue: answering takes as long as planning a gang.
	turn chan struct{}

	mu   sync.Mutex
	open map[types.UID]*question
}

type question struct {
	explain.Question
	ended chan struct{}
	// answer and err are written before ended is closed.
	answer explain.Answer
	err    error
}

// letAsk lets a scheduler answer questions by a function that may only be called inside a scheduling cycle.
func letAsk(sched *scheduler.Scheduler, gangs *state.Store, whatIf query.WhatIf) *questions {
	q := &questions{sched: sched, gangs: gangs, turn: make(chan struct{}, 1), open: map[types.UID]*question{}}
	schedule, fail := sched.SchedulePod, sched.FailureHandler
	sched.SchedulePod = func(ctx context.Context, f framework.Framework, cycle fwk.CycleState, info *framework.QueuedPodInfo) (scheduler.ScheduleResult, error) {
		if !gangs.IsQuestion(info.Pod.UID) {
			return schedule(ctx, f, cycle, info)
		}
		if asked := q.take(info.Pod.UID); asked != nil {
			asked.answer, asked.err = whatIf(ctx, asked.Question)
			close(asked.ended)
		}
		return scheduler.ScheduleResult{}, scheduler.ErrNoNodesAvailable
	}
	sched.FailureHandler = func(ctx context.Context, f framework.Framework, info *framework.QueuedPodInfo, status *fwk.Status, nominating *fwk.NominatingInfo, start time.Time) {
		if !gangs.IsQuestion(info.Pod.UID) {
			fail(ctx, f, info, status, nominating, start)
			return
		}
		if asked := q.take(info.Pod.UID); asked != nil {
			asked.err = fmt.Errorf("the scheduling cycle of the question failed: %w", status.AsError())
			close(asked.ended)
		}
		gangs.Answered(info.Pod.UID)
		sched.SchedulingQueue.Done(info.Pod.UID)
	}
	return q
}

// ask has a question answered in a scheduling cycle. It fails when the context ends before.
func (q *questions) ask(ctx context.Context, about explain.Question) (explain.Answer, error) {
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-ctx.Done():
		return explain.Answer{}, fmt.Errorf("waiting for other questions to be answered: %w", ctx.Err())
	}
	asked := &question{Question: about, ended: make(chan struct{})}
	pod := q.gangs.Ask()
	q.mu.Lock()
	q.open[pod.UID] = asked
	q.mu.Unlock()
	q.sched.SchedulingQueue.Add(ctx, pod)
	select {
	case <-asked.ended:
		return asked.answer, asked.err
	case <-ctx.Done():
		q.withdraw(ctx, pod)
		return explain.Answer{}, fmt.Errorf("waiting for a scheduling cycle: %w", ctx.Err())
	}
}

// withdraw takes a question back. One that is being answered already goes its way.
func (q *questions) withdraw(ctx context.Context, pod *corev1.Pod) {
	q.take(pod.UID)
	q.sched.SchedulingQueue.Delete(klog.FromContext(ctx), pod)
	q.gangs.Answered(pod.UID)
}

// take removes an open question; it is nil where that has happened.
func (q *questions) take(uid types.UID) *question {
	q.mu.Lock()
	defer q.mu.Unlock()
	asked := q.open[uid]
	delete(q.open, uid)
	return asked
}
