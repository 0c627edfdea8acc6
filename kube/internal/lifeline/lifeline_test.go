package lifeline

import (
	"os"
	"strconv"
	"syscall"
	"testing"
)

func TestWatch(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Watch owns the descriptor that it is told about, as it does in a child.
	fd, err := syscall.Dup(int(read.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	broken := make(chan struct{})
	if err := Watch(strconv.Itoa(fd), func() { close(broken) }); err != nil {
		t.Fatal(err)
	}
	if _, err := write.WriteString("still here"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-broken:
		t.Fatal("lifeline broke while the pipe was open")
	default:
	}
	write.Close()
	<-broken
}

func TestWatchRefuses(t *testing.T) {
	tests := []struct {
		name  string
		value string
		ok    bool
	}{
		{name: "absent", value: "", ok: true},
		{name: "not a number", value: "x"},
		{name: "standard stream", value: "1"},
		{name: "closed descriptor", value: "987"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Watch(test.value, func() {})
			if (err == nil) != test.ok {
				t.Errorf("Watch(%q) = %v, want success %v", test.value, err, test.ok)
			}
		})
	}
}
