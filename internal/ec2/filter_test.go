package ec2

import (
	"regexp"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	tests := []struct {
		name, pattern, text string
		want                bool
	}{
		{"same", "abc", "abc", true},
		{"longer", "abc", "abcd", false},
		{"shorter", "abc", "ab", false},
		{"star", "a*c", "abbc", true},
		{"star at the end", "a*", "a", true},
		{"star goes back", "*ab", "aab", true},
		{"question mark", "a?c", "abc", true},
		{"question mark needs one", "a?", "a", false},
		{"literal star", `a\*c`, "a*c", true},
		{"literal star only", `a\*c`, "abc", false},
		{"backslash at the end", `a\`, `a\`, true},
		{"empty", "", "", true},
		{"empty pattern", "", "a", false},
		{"stars alone", "**", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := glob(test.pattern, test.text); got != test.want {
				t.Errorf("glob(%q, %q) = %v, want %v", test.pattern, test.text, got, test.want)
			}
		})
	}
}

// FuzzGlob compares with a regular expression of the same meaning.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add(`\*`, "*")
	f.Add(`*\`, `x\`)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 30 || strings.ContainsFunc(pattern+text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Skip("the bytes would be read as runes")
		}
		var b strings.Builder
		for i := 0; i < len(pattern); i++ {
			switch c := pattern[i]; {
			case c == '*':
				b.WriteString(".*")
			case c == '?':
				b.WriteString(".")
			case c == '\\' && i+1 < len(pattern):
				i++
				b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
			default:
				b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
			}
		}
		want := regexp.MustCompile(`^(?s:` + b.String() + `)$`).MatchString(text)
		if got := glob(pattern, text); got != want {
			t.Errorf("glob(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}

// FuzzParseBlock looks that what is accepted is a masked IPv4 block.
func FuzzParseBlock(f *testing.F) {
	f.Add("10.0.0.1/16")
	f.Add("::/0")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseBlock("cidrBlock", text)
		if err == nil && (!p.Addr().Is4() || p != p.Masked()) {
			t.Errorf("parseBlock(%q) = %s", text, p)
		}
	})
}
