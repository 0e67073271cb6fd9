// Package query asks the scheduler: it finds the one that leads, reaches it with the user's own credentials, and speaks
// the JSON of internal/explain with it.
package query

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/muster-scheduling/muster/internal/explain"
)

// largest is the most that is read of an answer.
const largest = 64 << 20

// Client asks one scheduler. It may be used concurrently, and must be closed.
type Client struct {
	http  *http.Client
	base  string // https://host:port
	name  string // where the scheduler is, in words
	close func()
}

// Error is the answer of a scheduler that does not answer the question.
type Error struct {
	// Status is the status of HTTP.
	Status int

	// Message is what the scheduler says about it.
	Message string
}

// Error is the message; for a lack of rights, with the right that is needed.
func (e *Error) Error() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "the scheduler does not accept the credentials of the kubeconfig: " + e.Message
	case http.StatusForbidden:
		return fmt.Sprintf("%s (the right to get and post the non-resource URL %s* is needed)", e.Message, explain.Root)
	}
	return e.Message
}

// NotFound says whether err is a scheduler's answer that it does not know what was asked about.
func NotFound(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Status == http.StatusNotFound
}

// newClient makes a client for the scheduler that is the host of the config.
func newClient(config *rest.Config, closing func()) (*Client, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("setting up the client for the scheduler: %w", err)
	}
	// The credentials are added to every request, those that follow a redirect too: they must not go elsewhere.
	client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return errors.New("it redirects, which a scheduler never does")
	}
	return &Client{http: client, base: config.Host, name: "at " + config.Host, close: closing}, nil
}

// Close lets go of the connection.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.close()
}

// Gang asks about a PodGroup or a pod; kind says which. A pod that has a PodGroup is answered by that.
func (c *Client) Gang(ctx context.Context, kind, namespace, name string) (explain.Gang, error) {
	var gang explain.Gang
	path := explain.GangsPath + url.PathEscape(namespace) + "/" + url.PathEscape(name) +
		"?" + url.Values{explain.KindParameter: {kind}}.Encode()
	err := c.ask(ctx, http.MethodGet, path, nil, &gang)
	return gang, err
}

// Queues asks for the queue tree.
func (c *Client) Queues(ctx context.Context) (explain.Queues, error) {
	var queues explain.Queues
	err := c.ask(ctx, http.MethodGet, explain.QueuesPath, nil, &queues)
	return queues, err
}

// WhatIf asks what would happen to a gang.
func (c *Client) WhatIf(ctx context.Context, question explain.Question) (explain.Answer, error) {
	var answer explain.Answer
	body, err := json.Marshal(question)
	if err != nil {
		return answer, fmt.Errorf("writing the question as JSON: %w", err)
	}
	err = c.ask(ctx, http.MethodPost, explain.WhatIfPath, body, &answer)
	return answer, err
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the scheduler: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking the scheduler %s: %w", c.name, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, largest))
	if err != nil {
		return fmt.Errorf("reading the answer of the scheduler %s: %w", c.name, err)
	}
	if response.StatusCode != http.StatusOK {
		return &Error{Status: response.StatusCode, Message: message(response, raw)}
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("reading the answer of the scheduler %s: %w", c.name, err)
	}
	return nil
}

// message is what an answer says that is not the one hoped for. What refuses before the scheduler is asked, such as the
// check of rights, answers a Status, whose field has the same name.
func message(response *http.Response, body []byte) string {
	var refusal explain.Error
	if err := json.Unmarshal(body, &refusal); err == nil && refusal.Message != "" {
		return refusal.Message
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return strings.TrimSuffix(fmt.Sprintf("the scheduler answers %s: %s", response.Status, text), ": ")
}
