package layout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/nodeagent/health"
)

// anyInput draws a node: some GPUs, divided or not, connected at random, and a
// kubelet that knows some of them and has given away some of those.
func anyInput(t *rapid.T) Input {
	sometimes := rapid.IntRange(0, 3)
	in := Input{Machine: Machine{NUMA: sockets(rapid.IntRange(0, 3).Draw(t, "sockets"), 2)}, Kubelet: &Kubelet{}}
	product := rapid.StringMatching(`[ -~é]{0,80}`)
	for i := range rapid.IntRange(1, 8).Draw(t, "gpus") {
		gpu := GPU{Index: i, UUID: uuid(i), Product: product.Draw(t, "product"), NUMA: rapid.IntRange(-1, 3).Draw(t, "numa"), ComputeMajor: 8}
		var ids []string
		if gpu.MIGEnabled = sometimes.Draw(t, "MIG") == 0; gpu.MIGEnabled {
			for j := range rapid.IntRange(0, 3).Draw(t, "parts") {
				id := fmt.Sprintf("MIG-%d-%d", i, j)
				gpu.Instances = append(gpu.Instances, Instance{Index: j, UUID: id, GPUInstance: j, Profile: "1g.5gb"})
				ids = append(ids, id)
			}
		} else {
			ids = []string{gpu.UUID}
		}
		if sometimes.Draw(t, "broken") == 0 {
			gpu.Broken = "lost"
		}
		if sometimes.Draw(t, "fault") == 0 {
			in.Faults = append(in.Faults, health.Fault{GPU: gpu.UUID, Instance: rapid.IntRange(-1, 2).Draw(t, "instance"), Xid: 95})
		}
		for _, id := range ids {
			device := Device{Resource: GPUResource, ID: id}
			if gpu.MIGEnabled {
				device.Resource = "nvidia.com/mig-1g.5gb"
			}
			if sometimes.Draw(t, "listed") > 0 {
				in.Kubelet.Devices = append(in.Kubelet.Devices, device)
			}
			if sometimes.Draw(t, "held") == 0 {
				in.Kubelet.Held.Devices = append(in.Kubelet.Held.Devices, device)
			}
		}
		for j := range i {
			in.Hardware.Connections = append(in.Hardware.Connections, Connection{A: j, B: i, NVLinks: max(0, sometimes.Draw(t, "links")-2)})
		}
		in.Hardware.GPUs = append(in.Hardware.GPUs, gpu)
	}
	return in
}

func TestZonesOfAnyNode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t)
		out := Describe(in)
		islandOf := map[string]string{}
		names := map[string]bool{}
		for _, zone := range out.Topology.Zones {
			if names[zone.Name] {
				t.Fatalf("two zones are named %s", zone.Name)
			}
			names[zone.Name] = true
			gpus := strings.FieldsFunc(attribute(zone.Attributes, GPUsAttribute), func(r rune) bool { return r == ',' })
			for _, r := range zone.Resources {
				want := recount(in, gpus, r.Name)
				if got := [3]int64{r.Capacity.Value(), r.Allocatable.Value(), r.Available.Value()}; got != want {
					t.Fatalf("%s in %s: got %v, want %v", r.Name, zone.Name, got, want)
				}
			}
			if zone.Type != NVLinkZone {
				continue
			}
			if len(gpus) < 2 {
				t.Fatalf("%s is an island of %v", zone.Name, gpus)
			}
			for _, gpu := range gpus {
				if other := islandOf[gpu]; other != "" {
					t.Fatalf("GPU %s is in %s and in %s", gpu, other, zone.Name)
				}
				islandOf[gpu] = zone.Name
			}
		}
		expectIslands(t, in, islandOf)
	})
}

// recount counts a resource over the GPUs, slowly and device by device.
func recount(in Input, gpus []string, resource string) (counts [3]int64) {
	for _, gpu := range in.Hardware.GPUs {
		if !slices.Contains(gpus, fmt.Sprint(gpu.Index)) {
			continue
		}
		type thing struct {
			id, resource string
			instance     int
		}
		things := []thing{{gpu.UUID, GPUResource, -1}}
		if gpu.MIGEnabled {
			things = nil
			for _, part := range gpu.Instances {
				things = append(things, thing{part.UUID, "nvidia.com/mig-1g.5gb", part.GPUInstance})
			}
		}
		for _, thing := range things {
			if thing.resource != resource {
				continue
			}
			broken := gpu.Broken != ""
			for _, f := range in.Faults {
				broken = broken || f.GPU == gpu.UUID && (thing.instance == -1 || f.Instance == -1 || f.Instance == thing.instance)
			}
			named := func(d Device) bool { return d.ID == thing.id }
			counts[0]++
			if slices.ContainsFunc(in.Kubelet.Devices, named) {
				counts[1]++
				if !broken && !slices.ContainsFunc(in.Kubelet.Held.Devices, named) {
					counts[2]++
				}
			}
		}
	}
	return counts
}

// expectIslands compares islands with reachability over NVLinks.
func expectIslands(t *rapid.T, in Input, islandOf map[string]string) {
	n := len(in.Hardware.GPUs)
	reach := make([][]bool, n)
	for i := range reach {
		reach[i] = make([]bool, n)
	}
	for _, c := range in.Hardware.Connections {
		if c.NVLinks > 0 && !in.Hardware.GPUs[c.A].MIGEnabled && !in.Hardware.GPUs[c.B].MIGEnabled {
			reach[c.A][c.B], reach[c.B][c.A] = true, true
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
			}
		}
	}
	for i := range n {
		linked := false
		for j := range n {
			if i == j {
				continue
			}
			linked = linked || reach[i][j]
			together := islandOf[fmt.Sprint(i)] != "" && islandOf[fmt.Sprint(i)] == islandOf[fmt.Sprint(j)]
			if together != reach[i][j] {
				t.Fatalf("GPUs %d and %d: together %v, linked %v", i, j, together, reach[i][j])
			}
		}
		if !linked && islandOf[fmt.Sprint(i)] != "" {
			t.Fatalf("GPU %d has no NVLink and is in %s", i, islandOf[fmt.Sprint(i)])
		}
	}
}

func TestOrderOfReadingsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t)
		want := Describe(in)
		in.Hardware.GPUs = rapid.Permutation(in.Hardware.GPUs).Draw(t, "GPUs")
		in.Hardware.Connections = rapid.Permutation(in.Hardware.Connections).Draw(t, "connections")
		in.Kubelet.Devices = rapid.Permutation(in.Kubelet.Devices).Draw(t, "devices")
		in.Faults = rapid.Permutation(in.Faults).Draw(t, "faults")
		if got := Describe(in); !apiequality.Semantic.DeepEqual(got, want) {
			t.Fatalf("got\n%+v\nwant\n%+v", got, want)
		}
	})
}

func TestEveryLabelIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for key, value := range Describe(anyInput(t)).Labels {
			if faults := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(faults) > 0 {
				t.Fatalf("%s=%s: %v", key, value, faults)
			}
		}
	})
}
