package scenario_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/muster-scheduling/muster/internal/simulate/scenario"
)

// All cases of test/scenarios/queues and topology, on the code that the live scheduler decides with.
func TestScenarios(t *testing.T) {
	var files []string
	for _, folder := range []string{"queues", "topology"} {
		found, err := filepath.Glob("../../../test/scenarios/" + folder + "/*.yaml")
		if err != nil || len(found) == 0 {
			t.Fatalf("no scenario files of %s, error %v", folder, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scenarios, err := scenario.Parse(content)
		if err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
		for _, sc := range scenarios {
			t.Run(filepath.Base(file)+"/"+sc.Name, func(t *testing.T) {
				if err := sc.Run(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
