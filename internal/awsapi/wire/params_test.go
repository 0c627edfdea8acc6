package wire

import (
	"net/url"
	"slices"
	"testing"
)

func TestParams(t *testing.T) {
	p := NewParams(url.Values{
		"A": {"1", "2"}, "A.1": {"x"}, "A.1.B": {"y"}, "A.10.B": {"z"}, "A.2": {"w"}, "A.1x": {""}, "A-1": {"no"}, "A/1": {"no"}, "A.007": {"no"}, "AB.3": {"no"},
	})
	if v, ok := p.Get("A"); v != "1" || !ok {
		t.Errorf("A = %q, %v", v, ok)
	}
	if _, ok := p.Get("B"); ok {
		t.Error("B is there")
	}
	a := p.Under("A")
	if got, want := a.Numbers(), []string{"1", "2", "10"}; !slices.Equal(got, want) {
		t.Errorf("numbers = %v, want %v", got, want)
	}
	if v, _ := a.Under("10").Get("B"); v != "z" || a.Under("10").Name() != "A.10" {
		t.Errorf("A.10.B = %q under %q", v, a.Under("10").Name())
	}
	if !a.Under("3").Empty() || a.Empty() {
		t.Error("emptiness is wrong")
	}
}
