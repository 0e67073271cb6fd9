// Package image packs container images, without a container engine: archives in the layout of OCI's image specification,
// as `ctr images import` reads them.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
)

// Image is a container image of one layer.
type Image struct {
	// Name under which the image is known on a node, such as localhost/pause:e2e.
	Name string
	// Entrypoint is the command that its containers run, Env their environment as NAME=VALUE, User who runs it as UID:GID.
	Entrypoint []string
	Env        []string
	User       string
	// Files are what it contains: a path in the image, and the file or directory on this machine that goes there. All
	// belongs to root and keeps its mode.
	Files map[string]string
}

// descriptor points to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

const ociType = "application/vnd.oci.image."

// Write writes the image as an archive. A file that is there before is replaced.
func (i Image) Write(archive string) (err error) {
	layer, err := os.CreateTemp(filepath.Dir(archive), "layer-*")
	if err != nil {
		return err
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	if err := i.writeLayer(layer); err != nil {
		return fmt.Errorf("pack %s: %w", i.Name, err)
	}
	file, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	return i.writeArchive(tar.NewWriter(file), layer)
}

func (i Image) writeLayer(w io.Writer) error {
	archive := tar.NewWriter(w)
	for target, source := range i.Files {
		if err := add(archive, target, source); err != nil {
			return err
		}
	}
	return archive.Close()
}

// add adds a file, or a directory with all that is in it.
func add(archive *tar.Writer, target, source string) error {
	return filepath.WalkDir(source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(name); err != nil {
				return err
			}
		}
		header, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		header.Name = path.Join(".", target, below)
		header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
		if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
			return err
		}
		content, err := os.Open(name)
		if err != nil {
			return err
		}
		defer content.Close()
		_, err = io.Copy(archive, content)
		return err
	})
}

// writeArchive writes the blobs, each of which names those before it, and the index that names the last.
func (i Image) writeArchive(archive *tar.Writer, layer *os.File) error {
	layerBlob, err := writeFileBlob(archive, layer)
	if err != nil {
		return err
	}
	layerBlob.MediaType = ociType + "layer.v1.tar"
	config, err := writeBlob(archive, "config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.Entrypoint, "Env": i.Env, "User": i.User},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layerBlob.Digest}},
	})
	if err != nil {
		return err
	}
	manifest, err := writeBlob(archive, "manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": ociType + "manifest.v1+json",
		"config": config, "layers": []descriptor{layerBlob},
	})
	if err != nil {
		return err
	}
	manifest.Annotations = map[string]string{"io.containerd.image.name": i.Name}
	index := map[string]any{"schemaVersion": 2, "manifests": []descriptor{manifest}}
	if err := writeJSON(archive, "index.json", index); err != nil {
		return err
	}
	if err := writeJSON(archive, "oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}); err != nil {
		return err
	}
	return archive.Close()
}

func writeFileBlob(archive *tar.Writer, file *os.File) (descriptor, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return descriptor{}, err
	}
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return descriptor{}, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return descriptor{}, err
	}
	sum := fmt.Sprintf("%x", hash.Sum(nil))
	if err := archive.WriteHeader(&tar.Header{Name: "blobs/sha256/" + sum, Mode: 0o644, Size: size}); err != nil {
		return descriptor{}, err
	}
	_, err = io.Copy(archive, file)
	return descriptor{Digest: "sha256:" + sum, Size: size}, err
}

func writeBlob(archive *tar.Writer, mediaType string, content any) (descriptor, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return descriptor{}, err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	blob := descriptor{MediaType: ociType + mediaType, Digest: "sha256:" + sum, Size: int64(len(data))}
	return blob, writeJSON(archive, "blobs/sha256/"+sum, content)
}

func writeJSON(archive *tar.Writer, name string, content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err = archive.Write(data)
	return err
}
