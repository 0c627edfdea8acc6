package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// Output is a format of what a get command prints.
type Output string

const (
	OutputTable Output = "table"
	OutputJSON  Output = "json"
	OutputYAML  Output = "yaml"
)

// AddOutputFlag adds -o.
func AddOutputFlag(c *cobra.Command, o *Output) {
	c.Flags().StringVarP((*string)(o), "output", "o", string(OutputTable), "output format: table, json or yaml")
}

// Check says whether the format exists.
func (o Output) Check() error {
	switch o {
	case OutputTable, OutputJSON, OutputYAML:
		return nil
	}
	return Usagef(`unknown output printer type: expected {"yaml","json","table"} but got %q`, string(o))
}

// Column is a column of a table.
type Column[T any] struct {
	Name  string
	Value func(T) string
}

// Table is how a kind of things is printed as a table.
type Table[T any] struct {
	// Kind is the plural that an empty list is called by.
	Kind    string
	Columns []Column[T]
}

// Write prints rows sorted by their text, in columns at tab stops, as eksctl does.
func (t Table[T]) Write(w io.Writer, rows []T) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintf(w, "No %s found\n", t.Kind)
		return err
	}
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = c.Name
	}
	lines := make([]string, 0, len(rows))
	for _, r := range rows {
		cells := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			cells[i] = strings.NewReplacer("\t", " ", "\n", " ").Replace(c.Value(r))
		}
		lines = append(lines, strings.Join(cells, "\t"))
	}
	slices.Sort(lines)
	tabs := tabwriter.NewWriter(w, 0, 8, 1, '\t', 0)
	fmt.Fprintln(tabs, strings.Join(header, "\t"))
	for _, l := range lines {
		fmt.Fprintln(tabs, l)
	}
	return tabs.Flush()
}

// WriteData prints a value as JSON or YAML.
func WriteData(w io.Writer, o Output, v any) error {
	var b []byte
	var err error
	if o == OutputYAML {
		b, err = yaml.Marshal(v)
	} else {
		b, err = json.MarshalIndent(v, "", "    ")
		b = append(b, '\n')
	}
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	_, err = w.Write(b)
	return err
}

// Pairs prints a map as k=v,k=v, sorted, and <none> when it is empty.
func Pairs(m map[string]string) string {
	if len(m) == 0 {
		return "<none>"
	}
	pairs := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, k+"="+m[k])
	}
	return strings.Join(pairs, ",")
}
