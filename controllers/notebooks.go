package controllers

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/muster-scheduling/muster/controllers/notebook"
)

// notebookOptions is what the command line says about notebooks.
type notebookOptions struct {
	fsGroup int64
	config  notebook.Config
}

func (o *notebookOptions) addFlags(flags *pflag.FlagSet) {
	flags.Int64Var(&o.fsGroup, "notebook-fs-group", 100,
		"group that owns the volumes of notebooks whose pod has no securityContext; negative for none")
	flags.BoolVar(&o.config.CullIdle, "cull-idle-notebooks", false, "stop notebooks that nobody has used for --notebook-idle-time")
	flags.DurationVar(&o.config.IdleTime, "notebook-idle-time", 24*time.Hour,
		"time without activity after which a notebook is stopped; its annotation notebooks.muster.dev/idle-time overrides it")
	flags.DurationVar(&o.config.CheckPeriod, "notebook-check-period", time.Minute, "how often a notebook is asked for activity")
	flags.StringVar(&o.config.URL, "notebook-url", notebook.DefaultURL,
		"where notebooks are asked for activity; {name} and {namespace} stand for the notebook's")
}

// settings is what the controllers of notebooks are set up with.
func (o *notebookOptions) settings() notebook.Config {
	config := o.config
	if o.fsGroup >= 0 {
		config.FSGroup = &o.fsGroup
	}
	return config
}
