package machine

import (
	"testing"
	"time"

	"berth.dev/berth/dataplane"
)

func TestMachineIsTheShare(t *testing.T) {
	size := dataplane.Size{MilliCPU: 1250, MemoryBytes: 2 << 30, EphemeralBytes: 1 << 20}
	m := New(t.TempDir(), "U", size, func() uint64 { return 7 }, time.Now)
	info, err := m.MachineInfo()
	if err != nil || info.NumCores != 2 || info.MemoryCapacity != 2<<30 || info.SystemUUID != "U" {
		t.Errorf("MachineInfo = %+v, %v; want 2 cores, 2 GiB, U", info, err)
	}
	fs, err := m.RootFsInfo()
	if err != nil || fs.Capacity != 1<<20 || fs.Available > fs.Capacity {
		t.Errorf("RootFsInfo = %+v, %v; want a capacity of 1 MiB", fs, err)
	}
}

func TestPrettyName(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{name: "quoted", text: "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n", want: "Debian GNU/Linux 12"},
		{name: "bare", text: "PRETTY_NAME=Alpine", want: "Alpine"},
		{name: "absent", text: "ID=x\n", want: "Linux"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := prettyName(test.text); got != test.want {
				t.Errorf("prettyName(%q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
}
