// Command deliver copies the kubectl of its image to the directory that TARGET_DIR names, as an image for
// `muster-manager --mpi-kubectl-delivery-image` has to.
package main

import (
	"io"
	"log"
	"os"
	"path/filepath"
)

func main() {
	if err := deliver("/kubectl", filepath.Join(os.Getenv("TARGET_DIR"), "kubectl")); err != nil {
		log.Fatal(err)
	}
}

func deliver(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	return target.Close()
}
