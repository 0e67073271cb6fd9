package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/component-base/metrics/legacyregistry"
)

func metricsSocket(dir string) string { return filepath.Join(dir, "metrics.sock") }

// serveMetrics lets the parent read the metrics of a scheduler, without certificates and tokens, for as long as the
// process lives. The directory is the measurement's own.
func serveMetrics(dir string) error {
	listener, err := net.Listen("unix", metricsSocket(dir))
	if err != nil {
		return fmt.Errorf("serving metrics: %w", err)
	}
	server := &http.Server{Handler: legacyregistry.Handler(), ReadHeaderTimeout: time.Minute}
	go func() {
		if err := server.Serve(listener); err != nil {
			fmt.Fprintln(os.Stderr, "serving metrics:", err)
		}
	}()
	return nil
}

// scrape reads the metrics of the scheduler whose measurement has that directory.
func scrape(ctx context.Context, dir string) (samples, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", metricsSocket(dir))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://scheduler/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's metrics: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's metrics: %w", err)
	}
	all, err := parseMetrics(response.Body)
	return all, errors.Join(err, response.Body.Close())
}

// samples are the values of metrics by their names and labels, as Prometheus' text format writes them.
type samples map[string]float64

// sum adds up a metric over all of its labels.
func (s samples) sum(name string) float64 {
	total := s[name]
	for series, v := range s {
		if strings.HasPrefix(series, name+"{") {
			total += v
		}
	}
	return total
}

func parseMetrics(text io.Reader) (samples, error) {
	all := samples{}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("parsing the scheduler's metrics: %w", err)
		}
		all[line[:at]] = v
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("parsing the scheduler's metrics: %w", err)
	}
	return all, nil
}
