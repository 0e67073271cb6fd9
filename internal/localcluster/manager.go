package localcluster

import (
	"context"
	"errors"
)

var errNoManager = errors.New("muster-manager is not part of this build yet")

func (c *Cluster) managerCommand() *command { return nil }

// StartManager fails: there is no manager yet.
func (c *Cluster) StartManager(context.Context) error { return errNoManager }

// StopManager fails: there is no manager yet.
func (c *Cluster) StopManager() error { return errNoManager }

// KillManager does nothing: there is no manager yet.
func (c *Cluster) KillManager() {}
