package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/muster-scheduling/muster/internal/simulate/scenario"
)

// runScenarios runs the files of a directory, or one file, and fails where a scenario does.
func runScenarios(out io.Writer, path string) error {
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		return fmt.Errorf("looking for scenarios: %w", err)
	} else if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.yaml")); err != nil {
			return fmt.Errorf("looking for scenarios: %w", err)
		}
	}
	if len(files) == 0 {
		return fmt.Errorf("looking for scenarios: %s has no file *.yaml", path)
	}
	failed, total := 0, 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading scenarios: %w", err)
		}
		scenarios, err := scenario.Parse(content)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		bad := 0
		var reports strings.Builder
		for _, sc := range scenarios {
			if err := sc.Run(); err != nil {
				bad++
				fmt.Fprintf(&reports, "     %s\n       %s\n", sc.Name, strings.ReplaceAll(err.Error(), "\n", "\n       "))
			}
		}
		verdict := "pass"
		if bad > 0 {
			verdict = "FAIL"
		}
		fmt.Fprintf(out, "%s %s: %d of %d\n%s", verdict, file, len(scenarios)-bad, len(scenarios), reports.String())
		failed, total = failed+bad, total+len(scenarios)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d scenarios failed", failed, total)
	}
	return nil
}
