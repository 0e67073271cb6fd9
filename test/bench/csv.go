package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// machine is where and when something was measured, as the CSV's first columns repeat it.
type machine struct {
	date, cpu   string
	cores       int
	memory, rev string
}

// fixed are the columns of the CSV before those of the metrics.
var fixed = []string{"date", "cpu", "cores", "memory", "revision", "round", "workload", "system", "complete", "broken", "note"}

// writeCSV writes a header and one row for each result.
func writeCSV(w io.Writer, m machine, results []result) error {
	out := csv.NewWriter(w)
	header := slices.Clone(fixed)
	for _, x := range metrics {
		header = append(header, x.name)
	}
	if err := out.Write(header); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	for _, r := range results {
		row := []string{
			m.date, m.cpu, strconv.Itoa(m.cores), m.memory, m.rev, strconv.Itoa(r.round), r.workload, r.system,
			strconv.FormatBool(r.complete), strconv.FormatBool(r.broken), r.note,
		}
		for _, x := range metrics {
			field := ""
			if v, ok := r.values[x.name]; ok {
				field = strconv.FormatFloat(v, 'f', 3, 64)
			}
			row = append(row, field)
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("writing a row: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing the rows: %w", err)
	}
	return nil
}

// readCSV reads what writeCSV wrote. It fails on a file whose columns are not those of this version.
func readCSV(r io.Reader) (machine, []result, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return machine{}, nil, fmt.Errorf("reading the CSV: %w", err)
	}
	if len(rows) < 2 || len(rows[0]) != len(fixed)+len(metrics) || !slices.Equal(rows[0][:len(fixed)], fixed) {
		return machine{}, nil, fmt.Errorf("reading the CSV: no measurements with the columns of this version in it")
	}
	first := rows[1]
	m := machine{date: first[0], cpu: first[1], memory: first[3], rev: first[4]}
	if m.cores, err = strconv.Atoi(first[2]); err != nil {
		return machine{}, nil, fmt.Errorf("reading the CSV: cores: %w", err)
	}
	var results []result
	for i, row := range rows[1:] {
		one, err := parseRow(row)
		if err != nil {
			return machine{}, nil, fmt.Errorf("reading the CSV: row %d: %w", i+2, err)
		}
		results = append(results, one)
	}
	return m, results, nil
}

func parseRow(row []string) (result, error) {
	r := result{workload: row[6], system: row[7], note: row[10], values: map[string]float64{}}
	var err error
	if r.round, err = strconv.Atoi(row[5]); err != nil {
		return r, fmt.Errorf("round: %w", err)
	}
	if r.complete, err = strconv.ParseBool(row[8]); err != nil {
		return r, fmt.Errorf("complete: %w", err)
	}
	if r.broken, err = strconv.ParseBool(row[9]); err != nil {
		return r, fmt.Errorf("broken: %w", err)
	}
	for i, x := range metrics {
		if field := row[len(fixed)+i]; field != "" {
			if r.values[x.name], err = strconv.ParseFloat(field, 64); err != nil {
				return r, fmt.Errorf("%s: %w", x.name, err)
			}
		}
	}
	return r, nil
}
