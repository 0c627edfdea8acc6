package vpc

import (
	"io"
	"net"
	"strings"
	"testing"
)

func TestFlatReachesKubeletsAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "kubelet")
			c.Close()
		}
	}()
	f := NewFlat()
	f.Serve("10.0.1.5:10250", l.Addr().String())
	c, err := f.Dial(t.Context(), "vpc-1", "tcp", "10.0.1.5:10250")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(c)
	c.Close()
	if string(b) != "kubelet" {
		t.Errorf("10.0.1.5:10250 answers %q, want the kubelet", b)
	}
	f.Serve("10.0.1.5:10250", "")
	for _, address := range []string{"10.0.1.5:10250", "10.0.1.5:80", "127.0.0.1:22"} {
		if c, err := f.Dial(t.Context(), "vpc-1", "tcp", address); err == nil {
			c.Close()
			t.Errorf("%s can be dialled", address)
		}
	}
}

// TestFlatSaysWhatItLacks holds that nothing pretends to have a network.
func TestFlatSaysWhatItLacks(t *testing.T) {
	f := NewFlat()
	_, attach := f.Attach(t.Context(), "vpc-1", "eni-1", "/run/ns", "eth0")
	_, listen := f.Listen(t.Context(), "vpc-1", "tcp", "10.0.1.7:443")
	for name, err := range map[string]error{"attaching": attach, "listening": listen} {
		if err == nil || !strings.Contains(err.Error(), "no network namespaces") {
			t.Errorf("%s = %v, want what the host lacks", name, err)
		}
	}
	for name, err := range map[string]error{
		"sync": f.Sync(t.Context(), "vpc-1"), "declared": f.Declared(t.Context(), "vpc-1", "eni-1"), "detach": f.Detach(t.Context(), "vpc-1", "eni-1"),
	} {
		if err != nil {
			t.Errorf("%s = %v, want nil: there is nothing to do", name, err)
		}
	}
}
