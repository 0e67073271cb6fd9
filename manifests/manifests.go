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

// Webhooks holds the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration, one YAML document per file in the
// folder webhooks.
//
//go:embed webhooks/mutating.yaml webhooks/validating.yaml
var Webhooks embed.FS

// PodPolicies holds the default PodPolicies and the PriorityClasses that they name, several YAML documents per file in the
// folder pod-policies, beside its kustomization.yaml.
//
//go:embed pod-policies/*.yaml
var PodPolicies embed.FS

// Runtimes holds the ClusterTrainingRuntimes that an installation starts with, one YAML document per file in the folder
// runtimes.
//
//go:embed runtimes/*-distributed.yaml
var Runtimes embed.FS

// SchedulerConfig is the KubeSchedulerConfiguration that an installation starts
// with, and that muster-scheduler runs where it is given no other.
//
//go:embed scheduler/config.yaml
var SchedulerConfig []byte
