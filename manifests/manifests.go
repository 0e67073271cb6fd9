// Package manifests hands out the manifests that an installation consists of,
// so that programs can apply what the repository ships.
package manifests

import "embed"

// CRDs holds the CustomResourceDefinitions of every kind that Muster serves or
// reads, one YAML document per file in the folder crd, named GROUP_PLURAL.yaml.
//
//go:embed crd/*_*.yaml
var CRDs embed.FS

// AdmissionPolicies holds the ValidatingAdmissionPolicies with their bindings,
// several YAML documents per file in the folder admission.
//
//go:embed admission/*-*.yaml
var AdmissionPolicies embed.FS

// SchedulerConfig is the KubeSchedulerConfiguration that an installation starts
// with, and that muster-scheduler runs where it is given no other.
//
//go:embed scheduler/config.yaml
var SchedulerConfig []byte
