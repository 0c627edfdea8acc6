package main

import "testing"

func TestApply(t *testing.T) {
	tests := []struct {
		name  string
		edits []edit
		want  string
		fails bool
	}{
		{name: "once", edits: []edit{{file: "f", old: "a", new: "x"}}, want: "xbb"},
		{name: "counted", edits: []edit{{file: "f", old: "b", new: "y", count: 2}}, want: "ayy"},
		{name: "in order", edits: []edit{{file: "f", old: "a", new: "c"}, {file: "f", old: "cb", new: "d"}}, want: "db"},
		{name: "other file", edits: []edit{{file: "g", old: "z", new: "y"}}, want: "abb"},
		{name: "missing", edits: []edit{{file: "f", old: "z", new: "y"}}, fails: true},
		{name: "too many", edits: []edit{{file: "f", old: "b", new: "y"}}, fails: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := apply("f", "abb", test.edits)
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("apply = %q, %v; want %q, failure %v", got, err, test.want, test.fails)
			}
		})
	}
}

func TestEditsHaveReasons(t *testing.T) {
	for _, e := range edits {
		if e.why == "" {
			t.Errorf("edit of %s without a reason: %s", e.file, e.old)
		}
	}
}
