package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The archive is read as containerd reads it: from the index down, each blob by its digest.
func TestArchiveLeadsFromIndexToFiles(t *testing.T) {
	source := t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "program"), []byte("code"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("program", filepath.Join(source, "link")); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	i := Image{Name: "localhost/x:1", Entrypoint: []string{"/bin/program"}, User: "1:1", Files: map[string]string{"bin": source}}
	if err := i.Write(archive); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	files := untar(t, data)
	var index, manifest struct {
		Manifests, Layers []descriptor
		Config            descriptor
	}
	decode(t, files["index.json"], &index)
	if name := index.Manifests[0].Annotations["io.containerd.image.name"]; name != "localhost/x:1" {
		t.Errorf("the image's name is %q", name)
	}
	decode(t, blob(t, files, index.Manifests[0]), &manifest)
	var config struct {
		Config struct {
			Entrypoint []string
			User       string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	decode(t, blob(t, files, manifest.Config), &config)
	if got := fmt.Sprint(config); got != fmt.Sprintf("{{[/bin/program] 1:1} {[%s]}}", manifest.Layers[0].Digest) {
		t.Errorf("the configuration is %s", got)
	}
	layer := untar(t, blob(t, files, manifest.Layers[0]))
	if names := slices.Sorted(maps.Keys(layer)); !slices.Equal(names, []string{"bin", "bin/link", "bin/program"}) || string(layer["bin/program"]) != "code" {
		t.Errorf("the files are %v", names)
	}
}

func blob(t *testing.T, files map[string][]byte, d descriptor) []byte {
	t.Helper()
	data := files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
	if got := fmt.Sprintf("sha256:%x", sha256.Sum256(data)); got != d.Digest || int64(len(data)) != d.Size {
		t.Fatalf("a blob of %d bytes has the digest %s, want %d bytes and %s", len(data), got, d.Size, d.Digest)
	}
	return data
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func untar(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	archive := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}
