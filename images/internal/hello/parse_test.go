package hello

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGetopt(t *testing.T) {
	for _, test := range []struct {
		name     string
		args     []string
		options  map[byte]string
		operands []string
		wrong    bool
	}{
		{"bundle with value", []string{"-qO-", "u"}, map[byte]string{'q': "", 'O': "-"}, []string{"u"}, false},
		{"separate value", []string{"-O", "f", "-q", "u"}, map[byte]string{'O': "f", 'q': ""}, []string{"u"}, false},
		{"operand first", []string{"u", "-q"}, map[byte]string{'q': ""}, []string{"u"}, false},
		{"after two dashes", []string{"--", "-q"}, map[byte]string{}, []string{"-q"}, false},
		{"one dash", []string{"-"}, map[byte]string{}, []string{"-"}, false},
		{"no value", []string{"-O"}, nil, nil, true},
		{"unknown", []string{"-x"}, nil, nil, true},
		{"the colon itself", []string{"-:"}, nil, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			options, operands, err := getopt(test.args, "qO:")
			if (err != nil) != test.wrong {
				t.Fatalf("getopt(%q) says %v", test.args, err)
			}
			if diff := cmp.Diff(test.options, options); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.operands, operands); diff != "" {
				t.Errorf("operands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name     string
		args     []string
		count    int
		operands []string
	}{
		{"flags last", []string{"u", "--count", "3"}, 3, []string{"u"}},
		{"flags first", []string{"--count=3", "u"}, 3, []string{"u"}},
		{"between", []string{"u", "--count", "3", "v"}, 3, []string{"u", "v"}},
		{"after two dashes", []string{"u", "--", "--count", "3"}, 0, []string{"u", "--count", "3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			fs := newFlags("test")
			count := fs.Int("count", 0, "")
			operands, err := parse(fs, test.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.operands, operands); diff != "" || *count != test.count {
				t.Errorf("count %d, want %d; operands (-want +got):\n%s", *count, test.count, diff)
			}
		})
	}
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{
		"1": 1, "2k": 2000, "64Mi": 64 << 20, "1Gi": 1 << 30, "3G": 3e9,
		"": 0, "Mi": 0, "-1": 0, "0": 0, "1KM": 0, "1i": 0, "1.5Gi": 0, "9223372036854775807Gi": 0,
	} {
		got, err := parseBytes(s)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("parseBytes(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
}

func TestParseSleep(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "5": 5 * time.Second, "0.5": time.Second / 2, "1m": time.Minute, "2h": 2 * time.Hour,
		"1d": 24 * time.Hour, "infinity": math.MaxInt64, "1e300": math.MaxInt64,
		"": -1, "-1": -1, "-1s": -1, "NaN": -1, "soon": -1,
	} {
		got, err := parseSleep(s)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("parseSleep(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
}

func TestFileName(t *testing.T) {
	for url, want := range map[string]string{
		"http://h/a/b.txt?q=/c": "b.txt", "h/x": "x", "http://h": "index.html", "http://h/": "index.html", "h": "index.html",
		"h/..": "index.html",
	} {
		if got := fileName(url); got != want {
			t.Errorf("fileName(%q) = %q, want %q", url, got, want)
		}
	}
}

func FuzzGetopt(f *testing.F) {
	f.Add("-qO- http://h", "qO:")
	f.Add("-a -- -b", "ab")
	f.Fuzz(func(t *testing.T, line, spec string) {
		args := strings.Split(line, " ")
		_, operands, err := getopt(args, spec)
		if err == nil && len(operands) > len(args) {
			t.Errorf("getopt(%q, %q) makes %d operands of %d arguments", args, spec, len(operands), len(args))
		}
	})
}

func FuzzParseSizes(f *testing.F) {
	f.Add("64Mi")
	f.Add("1.5d")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseBytes(s); err == nil && n <= 0 {
			t.Errorf("parseBytes(%q) = %d", s, n)
		}
		if d, err := parseSleep(s); err == nil && d < 0 {
			t.Errorf("parseSleep(%q) = %d", s, d)
		}
		if name := fileName(s); strings.Contains(name, "/") || name == ".." {
			t.Errorf("fileName(%q) = %q", s, name)
		}
	})
}
