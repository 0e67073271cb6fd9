package localcluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A part is a component of the cluster that runs until its context ends.
type part struct {
	name   Component
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed once run has returned
	err    error         // what run returned; valid once done is closed
}

// startPart calls run in a goroutine of its own.
func startPart(name Component, run func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, ctx: ctx, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = run(ctx)
	}()
	return p
}

// stop ends the part's context and waits until it has returned. An error is
// what the part failed with, or that it did not return in time.
func (p *part) stop() error {
	if err := p.end(); err != nil {
		return err
	}
	if p.err != nil && !errors.Is(p.err, context.Canceled) {
		return fmt.Errorf("stop %s: %w", p.name, p.err)
	}
	return nil
}

// end is stop for a part whose own error does not matter any more.
func (p *part) end() error {
	p.cancel()
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("stop %s: still running after %s", p.name, stopTimeout)
	}
}

// ended returns nil while the part runs, and else why it does not.
func (p *part) ended() error {
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%s: %w", p.name, p.err)
		}
		return fmt.Errorf("%s ended by itself", p.name)
	default:
		return nil
	}
}
