package training

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// waiting runs the script in which a launcher waits, with a host file and an ssh that answers as told: reach is the body of
// a shell script that gets the host as last argument and may count in files of its directory. Pauses take no time, and after 100 of
// them it is killed.
func waiting(t *testing.T, hosts, reach string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"hostfile": hosts,
		"ssh":      "#!/bin/sh\ncd " + dir + "\nfor host; do case $host in *.svc) break ;; esac; done\n" + reach,
		"sleep":    "#!/bin/sh\necho >>" + dir + "/pauses\n[ $(wc -l <" + dir + "/pauses) -lt 100 ] || kill $PPID\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := strings.ReplaceAll(waitBySSH, mpiConfigPath, dir)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", script, "wait-for-workers"}, args...)...)
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestWaitForWorkers(t *testing.T) {
	tests := []struct{ name, hosts, reach, need, want string }{
		{"all are there", "a.svc slots=2\nb.svc slots=2\n", "exit 0", "2", "2 workers answer\n"},
		{"with a colon", "a.svc:2\nb.svc:2\n", "exit 0", "2", "2 workers answer\n"},
		{"not the launcher itself", "own.svc slots=1\na.svc slots=1\n", "[ $host != own.svc ]", "1", "1 workers answer\n"},
		{"some are enough", "a.svc slots=1\nb.svc slots=1\n", "[ $host = b.svc ]", "1", "1 workers answer\n"},
		{
			"one comes later", "a.svc slots=1\nb.svc slots=1\n", "[ $host = a.svc ] || [ -f pauses ] || { echo refused >&2; exit 255; }", "2",
			"1 of 2 workers answer, b.svc does not:\nrefused\n2 workers answer\n",
		},
		{
			"nobody is asked again", "a.svc slots=1\nb.svc slots=1\n",
			"if [ $host = a.svc ]; then [ ! -f asked ] || exit 1; touch asked; exit 0; fi; [ -f pauses ] && [ $(wc -l <pauses) -gt 2 ]", "2",
			"1 of 2 workers answer, b.svc does not:\n2 workers answer\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := waiting(t, tt.hosts, tt.reach, tt.need, "own.svc")
			if err != nil || got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestWaitForManyWorkers(t *testing.T) {
	hosts := ""
	for i := range 100 {
		hosts += fmt.Sprintf("h%d.svc slots=1\n", i)
	}
	got, err := waiting(t, hosts, "exit 0", "100", "own.svc")
	if err != nil || got != "100 workers answer\n" {
		t.Errorf("got %q (%v)", got, err)
	}
}

// A worker that never answers is waited for, not given up on.
func TestWaitIsPatient(t *testing.T) {
	got, err := waiting(t, "a.svc slots=1\n", "echo refused >&2; exit 255", "1", "own.svc")
	if err == nil || !strings.HasPrefix(got, "0 of 1 workers answer, a.svc does not:\nrefused\n") {
		t.Errorf("got %q (%v)", got, err)
	}
}
