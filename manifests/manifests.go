// Package manifests hands out the manifests that an installation consists of,
// so that programs can apply what the repository ships.
package manifests

import "embed"

// CRDs holds the CustomResourceDefinitions of every kind that Muster serves or
// reads, one YAML document per file in the folder crd, named GROUP_PLURAL.yaml.
//
//go:embed crd/*_*.yaml
var CRDs embed.FS
