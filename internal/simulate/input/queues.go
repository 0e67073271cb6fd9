package input

import (
	"errors"
	"fmt"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/ledger"
)

// Queues reads Queue objects from one or more YAML documents, each a Queue or a List of them as `kubectl get queue -o yaml`
// writes it. Status and namespaceSelector are read and play no role. It fails on a tree that could not work: a parent that
// does not exist, a cycle, children that are guaranteed more than their parent.
func Queues(data []byte) ([]ledger.Queue, error) {
	var queues []ledger.Queue
	err := objects(data, "Queue", func(object v1alpha1.Queue) error {
		queue, err := Queue(object.Name, object.Spec)
		if err != nil {
			return fmt.Errorf("queue %q: %w", object.Name, err)
		}
		queues = append(queues, queue)
		return nil
	})
	if err != nil {
		return queues, err
	}
	return queues, checkTree(queues)
}

func checkTree(queues []ledger.Queue) error {
	tree := ledger.New()
	seen := map[string]bool{}
	for _, queue := range queues {
		if seen[queue.Name] {
			return fmt.Errorf("queue %q is there twice", queue.Name)
		}
		seen[queue.Name] = true
		tree.SetQueue(queue)
	}
	for _, queue := range queues {
		if fault := tree.Fault(queue.Name); fault != nil && fault.Code != ledger.NotALeaf {
			return errors.New(fault.Message)
		}
	}
	return nil
}

// Queue converts the spec of a Queue object, with the defaults of its fields. It fails on what the API server would refuse
// as well, as far as numbers are concerned.
func Queue(name string, spec v1alpha1.QueueSpec) (ledger.Queue, error) {
	queue := ledger.Queue{Name: name, Parent: spec.Parent, Weight: 1, Reclaimable: true}
	if name == "" {
		return queue, errors.New("it has no name")
	}
	if spec.Weight != nil {
		queue.Weight = int64(*spec.Weight)
	}
	if queue.Weight < 0 {
		return queue, fmt.Errorf("weight: %d is negative", queue.Weight)
	}
	if spec.Reclaimable != nil {
		queue.Reclaimable = *spec.Reclaimable
	}
	if spec.MinRuntime != nil {
		queue.MinRuntime = spec.MinRuntime.Duration
	}
	if queue.MinRuntime < 0 {
		return queue, fmt.Errorf("minRuntime: %s is negative", queue.MinRuntime)
	}
	var err error
	if queue.Guarantee, err = Amounts(spec.Guarantee); err != nil {
		return queue, fmt.Errorf("guarantee: %w", err)
	}
	if queue.Limit, err = Amounts(spec.Limit); err != nil {
		return queue, fmt.Errorf("limit: %w", err)
	}
	for resource, limit := range queue.Limit {
		if guarantee := queue.Guarantee[resource]; guarantee > limit {
			return queue, fmt.Errorf("guarantee of %s %s exceeds the limit of %s", ledger.Format(resource, guarantee), resource, ledger.Format(resource, limit))
		}
	}
	switch spec.Stop {
	case "", v1alpha1.StopNone:
	case v1alpha1.StopHold:
		queue.Stop = ledger.Hold
	case v1alpha1.StopDrain:
		queue.Stop = ledger.Drain
	default:
		return queue, fmt.Errorf("stop: %q is none of None, Hold and Drain", spec.Stop)
	}
	return queue, nil
}
