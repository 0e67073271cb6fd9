package notebook

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// Config is what an admin sets for all notebooks.
type Config struct {
	// FSGroup is the group that owns the volumes of pods without a security context. Nil: none is set.
	FSGroup *int64

	// CullIdle stops notebooks that have been idle for IdleTime, and looks at each once in CheckPeriod. Both are positive.
	CullIdle    bool
	IdleTime    time.Duration
	CheckPeriod time.Duration

	// URL is where notebooks are asked for activity, without a path of theirs: {name} and {namespace} stand for the notebook's.
	URL string
}

// DefaultURL is the address of a notebook's Service.
const DefaultURL = "http://{name}.{namespace}.svc.cluster.local"

// validate says what is wrong with the configuration.
func (c Config) validate() error {
	switch {
	case !c.CullIdle:
		return nil
	case c.IdleTime <= 0:
		return fmt.Errorf("the idle time of notebooks must be positive, not %v", c.IdleTime)
	case c.CheckPeriod <= 0:
		return fmt.Errorf("the period in which notebooks are checked must be positive, not %v", c.CheckPeriod)
	case !strings.Contains(c.URL, "{name}") || !strings.Contains(c.URL, "{namespace}"):
		return fmt.Errorf("the URL of notebooks must have {name} and {namespace} in it, unlike %q", c.URL)
	}
	u, err := url.Parse(c.address("a", "b"))
	if err != nil {
		return fmt.Errorf("the URL of notebooks: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("the URL of notebooks must begin with http:// or https:// and a host, unlike %q", c.URL)
	}
	return nil
}

// address is where a notebook is asked, without a path of its own.
func (c Config) address(namespace, name string) string {
	return strings.TrimSuffix(strings.NewReplacer("{name}", name, "{namespace}", namespace).Replace(c.URL), "/")
}

// prefix is the path below which a notebook's server is reached from outside, and which it is told as NB_PREFIX.
func prefix(nb *notebookv1.Notebook) string {
	return "/notebook/" + nb.Namespace + "/" + nb.Name
}
