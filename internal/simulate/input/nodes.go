package input

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
)

// maxNodes keeps a mistyped count from filling the memory.
const maxNodes = 1_000_000

// Nodes reads nodes from YAML in the form of muster-local's --node-config (a list under `groups`), or from CSV with the
// columns sn, cpu_milli, memory_mib, gpu and optionally model. Taints and models are read and play no role.
func Nodes(data []byte) ([]simulate.Node, error) {
	var nodes []simulate.Node
	var err error
	if first, _, _ := bytes.Cut(data, []byte("\n")); bytes.HasPrefix(first, []byte("sn,")) {
		nodes, err = csvNodes(data)
	} else {
		nodes, err = yamlNodes(data)
	}
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(nodes))
	for i, node := range nodes {
		if names[node.Name] {
			return nil, fmt.Errorf("two nodes have the name %q", node.Name)
		}
		names[node.Name] = true
		if _, ok := node.Allocatable[simulate.Pods]; !ok {
			nodes[i].Allocatable[simulate.Pods] = DefaultPods
		}
	}
	return nodes, nil
}

// nodeGroup has the fields of localcluster.NodeGroup, whose package needs a whole cluster.
type nodeGroup struct {
	Name     string              `json:"name"`
	Count    int                 `json:"count"`
	Capacity corev1.ResourceList `json:"capacity"`
	Labels   map[string]string   `json:"labels"`
	Taints   []corev1.Taint      `json:"taints"`
}

func yamlNodes(data []byte) ([]simulate.Node, error) {
	var file struct {
		Groups []nodeGroup `json:"groups"`
	}
	if err := unmarshal(data, &file); err != nil {
		return nil, err
	}
	if len(file.Groups) == 0 {
		return nil, errors.New("groups: there is none")
	}
	var nodes []simulate.Node
	for i, group := range file.Groups {
		amounts, err := Amounts(group.Capacity)
		switch {
		case err != nil:
			return nil, fmt.Errorf("groups[%d].capacity: %w", i, err)
		case group.Name == "":
			return nil, fmt.Errorf("groups[%d].name: it prefixes the names of the nodes", i)
		case group.Count < 1 || group.Count > maxNodes-len(nodes):
			return nil, fmt.Errorf("groups[%d].count: %d is not between 1 and %d nodes in total", i, group.Count, maxNodes)
		}
		for n := range group.Count {
			nodes = append(nodes, simulate.Node{Name: fmt.Sprintf("%s-%d", group.Name, n), Allocatable: amounts.Clone(), Labels: group.Labels})
		}
	}
	return nodes, nil
}

// unmarshal decodes one YAML document; a field that is not known or given twice is an error.
func unmarshal(data []byte, into any) error {
	converted, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return err
	}
	// The only decoder that says where the unknown field is.
	unknown, err := json.UnmarshalStrict(converted, into)
	return errors.Join(append(unknown, err)...)
}

func csvNodes(data []byte) ([]simulate.Node, error) {
	rows := csv.NewReader(bytes.NewReader(data))
	header, err := rows.Read()
	if err != nil {
		return nil, err
	}
	columns, err := columns(header, []string{"sn", "cpu_milli", "memory_mib", "gpu", "model"}, []string{"sn", "cpu_milli", "memory_mib", "gpu"})
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	var nodes []simulate.Node
	for {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		node, err := csvNode(row{columns, fields})
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		nodes = append(nodes, node)
	}
	if len(nodes) == 0 {
		return nil, errors.New("there is no node below the header")
	}
	return nodes, nil
}

func csvNode(r row) (simulate.Node, error) {
	node := simulate.Node{Name: r.get("sn"), Allocatable: resource.Amounts{}}
	if node.Name == "" {
		return node, errors.New("sn: the node has no name")
	}
	for _, x := range []struct {
		column, resource string
		unit             int64
	}{{"cpu_milli", "cpu", 1}, {"memory_mib", "memory", 1 << 20}, {"gpu", simulate.GPU, 1}} {
		n, err := strconv.ParseInt(r.get(x.column), 10, 64)
		if err != nil || n < 0 {
			return node, fmt.Errorf("%s: %q is not a whole number from 0 on", x.column, r.get(x.column))
		}
		if n > 0 {
			node.Allocatable[x.resource] = resource.Product(n, x.unit)
		}
	}
	return node, nil
}
