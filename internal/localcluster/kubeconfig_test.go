package localcluster

import (
	"os"
	"path/filepath"
	"testing"
)

// A cluster that is still stopping must not take the file of the next one.
func TestRemoveIfUnchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := removeIfUnchanged(path, []byte("ours")); err != nil {
		t.Errorf("a file that is gone already: %v", err)
	}
	if err := writePrivate(path, []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	if err := removeIfUnchanged(path, []byte("ours")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("somebody else's file is gone: %v", err)
	}
	if err := removeIfUnchanged(path, []byte("theirs")); err != nil {
		t.Error(err)
	}
	checkEmpty(t, filepath.Dir(path))
}

// What was readable by others before is not afterwards.
func TestWritePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writePrivate(path, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
