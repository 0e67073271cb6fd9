// Package sysfs reads from the kernel how the node is built: its NUMA nodes with
// their CPUs, memory and distances, and which of them a PCI device is attached
// to. All functions take the path at which sysfs is mounted.
package sysfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// Machine reads the NUMA nodes and the machine's name. A kernel without NUMA
// names no nodes; that is no error.
func Machine(root string) (layout.Machine, error) {
	machine := layout.Machine{Product: product(root)}
	folders, err := filepath.Glob(filepath.Join(root, "devices/system/node/node[0-9]*"))
	if err != nil {
		return machine, fmt.Errorf("listing NUMA nodes: %w", err)
	}
	ids := make([]int, 0, len(folders))
	for _, folder := range folders {
		if id, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(folder), "node")); err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids) // the order in which the kernel writes distances
	for _, id := range ids {
		node, err := numaNode(filepath.Join(root, "devices/system/node", "node"+strconv.Itoa(id)), id, ids)
		if err != nil {
			return machine, fmt.Errorf("reading NUMA node %d: %w", id, err)
		}
		machine.NUMA = append(machine.NUMA, node)
	}
	return machine, nil
}

// product returns what the maker calls the machine; empty where nobody says.
func product(root string) string {
	text, err := os.ReadFile(filepath.Join(root, "class/dmi/id/product_name"))
	if err != nil {
		return "" // virtual machines and other architectures may not have it
	}
	return strings.TrimSpace(string(text))
}

func numaNode(folder string, id int, ids []int) (layout.NUMANode, error) {
	node := layout.NUMANode{ID: id, Distances: map[int]int64{}}
	text, err := os.ReadFile(filepath.Join(folder, "cpulist"))
	if err != nil {
		return node, err
	}
	if node.CPUs, err = parseList(strings.TrimSpace(string(text))); err != nil {
		return node, fmt.Errorf("%s/cpulist: %w", folder, err)
	}
	if text, err = os.ReadFile(filepath.Join(folder, "meminfo")); err != nil {
		return node, err
	}
	if node.MemoryBytes, err = parseMemTotal(string(text)); err != nil {
		return node, fmt.Errorf("%s/meminfo: %w", folder, err)
	}
	text, err = os.ReadFile(filepath.Join(folder, "distance"))
	if errors.Is(err, fs.ErrNotExist) {
		return node, nil
	} else if err != nil {
		return node, err
	}
	fields := strings.Fields(string(text))
	if len(fields) != len(ids) {
		return node, fmt.Errorf("%s/distance: %d distances for %d NUMA nodes", folder, len(fields), len(ids))
	}
	for i, field := range fields {
		if node.Distances[ids[i]], err = strconv.ParseInt(field, 10, 64); err != nil {
			return node, fmt.Errorf("%s/distance: %w", folder, err)
		}
	}
	return node, nil
}

// parseList reads the kernel's form of a set of numbers: "0-3,8,10-11".
func parseList(text string) ([]int, error) {
	var numbers []int
	if text == "" {
		return nil, nil
	}
	for span := range strings.SplitSeq(text, ",") {
		first, last, isSpan := strings.Cut(span, "-")
		if !isSpan {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil, fmt.Errorf("%q is no list of numbers: %w", text, err)
		}
		to, err := strconv.Atoi(last)
		if err != nil {
			return nil, fmt.Errorf("%q is no list of numbers: %w", text, err)
		}
		for n := from; n <= to; n++ {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// parseMemTotal finds the line "Node 0 MemTotal: 1234 kB".
func parseMemTotal(text string) (int64, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 5 && fields[2] == "MemTotal:" && fields[4] == "kB" {
			kib, err := strconv.ParseInt(fields[3], 10, 64)
			return kib * 1024, err
		}
	}
	return 0, errors.New("says no MemTotal in kB")
}

// NUMANode returns the NUMA node that the PCI device with the address, such as
// 0000:07:00.0, is attached to; layout.Unknown if the kernel does not say.
func NUMANode(root, busID string) int {
	text, err := os.ReadFile(filepath.Join(root, "bus/pci/devices", busID, "numa_node"))
	if err != nil {
		return layout.Unknown // not every kernel and hypervisor says
	}
	node, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || node < 0 {
		return layout.Unknown
	}
	return node
}
