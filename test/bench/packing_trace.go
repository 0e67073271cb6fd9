package main

import (
	"compress/gzip"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/muster-scheduling/muster/internal/fragmentation"
)

// traceFiles are a part of Alibaba's cluster-trace-gpu-v2023; the README beside them says where it is from.
//
//go:embed openb/*.csv.gz
var traceFiles embed.FS

// openb is the trace: its nodes, its pods and how many thousandths of a GPU the nodes have.
type openb struct {
	nodes    []packNode
	pods     []tracePod
	shapes   []fragmentation.Demand
	capacity int64
}

func readTrace() (*openb, error) {
	t := &openb{}
	err := readColumns("openb_node_list_gpu_node.csv", []string{"cpu_milli", "memory_mib", "gpu"}, func(row []int64) {
		n := packNode{cpu: row[0], gpus: row[2]}
		n.Node = fragmentation.Node{CPU: row[0], Memory: row[1] << 20, GPUs: []fragmentation.Devices{{Kind: "gpu", Free: row[2]}}}
		t.nodes = append(t.nodes, n)
		t.capacity += 1000 * n.gpus
	})
	if err != nil {
		return nil, err
	}
	index := map[fragmentation.Demand]int{}
	err = readColumns("openb_pod_list_default.csv", []string{"cpu_milli", "memory_mib", "num_gpu", "gpu_milli"}, func(row []int64) {
		d := fragmentation.Demand{CPU: row[0], Memory: row[1] << 20}
		switch {
		case row[2] == 1 && row[3] < 1000:
			d.Kind, d.Milli = "gpu", row[3]
		case row[2] > 0:
			d.Kind, d.GPUs = "gpu", row[2]
		}
		if _, known := index[d]; !known {
			index[d] = len(t.shapes)
			t.shapes = append(t.shapes, d)
		}
		t.pods = append(t.pods, tracePod{d, index[d]})
	})
	return t, err
}

// readColumns gives the numbers in the named columns of a compressed CSV, row by row.
func readColumns(name string, columns []string, row func([]int64)) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading the trace, %s: %w", name, err)
		}
	}()
	file, err := traceFiles.Open("openb/" + name + ".gz")
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	in := csv.NewReader(unzipped)
	header, err := in.Read()
	if err != nil {
		return err
	}
	at := map[string]int{}
	for i, column := range header {
		at[column] = i
	}
	numbers := make([]int64, len(columns))
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, column := range columns {
			c, exists := at[column]
			if !exists {
				return fmt.Errorf("there is no column %s", column)
			}
			if numbers[i], err = strconv.ParseInt(fields[c], 10, 64); err != nil {
				return err
			}
		}
		row(numbers)
	}
}
