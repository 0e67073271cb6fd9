package notebook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

const (
	// askTimeout is how long a notebook may take to answer all that it is asked at one time.
	askTimeout = 10 * time.Second

	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 1 << 20
)

// statusError is an answer other than 200 OK.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string { return fmt.Sprintf("%s answers with status %d", e.url, e.code) }

// prober asks the servers of notebooks. It may be used concurrently.
type prober struct {
	config Config
	http   *http.Client
}

// newProber follows no redirect and uses no proxy: nothing but the notebook itself is asked.
func newProber(config Config) *prober {
	return &prober{config: config, http: &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			ResponseHeaderTimeout: 5 * time.Second,
			DisableKeepAlives:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask asks a notebook's server for its activity. The error says why nothing is known.
func (p *prober) ask(ctx context.Context, nb *notebookv1.Notebook) (activity, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	extra, hasExtra := nb.Annotations[notebookv1.ActivityPathAnnotation]
	a, err := p.askServer(ctx, nb)
	if !hasExtra {
		return a, err
	}
	if err != nil && !errors.Is(err, errTellsNothing) {
		return activity{}, err
	}
	base := prefix(nb)
	if rewritten := nb.Annotations[notebookv1.RewriteURIAnnotation]; rewritten != "" {
		base = rewritten
	}
	if !strings.HasPrefix(extra, "/") {
		extra = path.Join("/", base, extra)
	}
	more, moreErr := p.get(ctx, nb, extra, parseState)
	if moreErr != nil || err != nil {
		return more, moreErr
	}
	return a.and(more), nil
}

// errTellsNothing is for servers that offer nothing to ask for.
var errTellsNothing = errors.New("its server has no address that tells of activity")

// askServer asks what servers of the notebook's type tell by themselves.
func (p *prober) askServer(ctx context.Context, nb *notebookv1.Notebook) (activity, error) {
	switch nb.Annotations[notebookv1.ServerTypeAnnotation] {
	case notebookv1.ServerJupyter:
		return p.askJupyter(ctx, nb)
	case notebookv1.ServerCodeServer:
		return p.get(ctx, nb, "/healthz", parseState)
	case notebookv1.ServerRStudio:
		return activity{}, errTellsNothing
	}
	a, err := p.askJupyter(ctx, nb)
	if !isNotFound(err) {
		return a, err
	}
	a, err = p.get(ctx, nb, "/healthz", parseState)
	if isNotFound(err) {
		return activity{}, errTellsNothing
	}
	return a, err
}

// askJupyter asks for kernels and terminals, without making the question itself an activity. Terminals may be switched off.
func (p *prober) askJupyter(ctx context.Context, nb *notebookv1.Notebook) (activity, error) {
	const quietly = "?no_track_activity=1"
	kernels, err := p.get(ctx, nb, prefix(nb)+"/api/kernels"+quietly, parseKernels)
	if err != nil || kernels.busy {
		return kernels, err
	}
	terminals, err := p.get(ctx, nb, prefix(nb)+"/api/terminals"+quietly, parseTerminals)
	if isNotFound(err) {
		return kernels, nil
	}
	if err != nil {
		return activity{}, err
	}
	return kernels.and(terminals), nil
}

// get asks for one path and reads the answer.
func (p *prober) get(ctx context.Context, nb *notebookv1.Notebook, path string, parse func([]byte) (activity, error)) (activity, error) {
	url := p.config.address(nb.Namespace, nb.Name) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return activity{}, fmt.Errorf("asking %s: %w", url, err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := p.http.Do(request)
	if err != nil {
		return activity{}, fmt.Errorf("asking for activity: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return activity{}, &statusError{url, response.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return activity{}, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if len(data) > maxAnswer {
		return activity{}, fmt.Errorf("the answer of %s has more than %d bytes", url, maxAnswer)
	}
	a, err := parse(data)
	if err != nil {
		return activity{}, fmt.Errorf("%s: %w", url, err)
	}
	return a, nil
}

func isNotFound(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == http.StatusNotFound
}
