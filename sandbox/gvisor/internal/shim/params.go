package shim

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// socketDirField is the number of socket_dir in containerd's
// containerd.runtime.bootstrap.v1.BootstrapParams.
const socketDirField = 9

// errSocketDirType says that socket_dir is there, but is not a string.
var errSocketDirType = errors.New("socket_dir has another type than string")

// parseSocketDir returns socket_dir out of encoded BootstrapParams, or "" when
// it is absent. gVisor's packages are built against an older containerd, which
// does not know the message: the one field that matters is read by its number.
func parseSocketDir(data []byte) (string, error) {
	dir := ""
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return "", fmt.Errorf("reading a field's tag: %w", protowire.ParseError(n))
		}
		data = data[n:]
		if number == socketDirField {
			if kind != protowire.BytesType {
				return "", errSocketDirType
			}
			value, n := protowire.ConsumeString(data)
			if n < 0 {
				return "", fmt.Errorf("reading socket_dir: %w", protowire.ParseError(n))
			}
			dir = value
		}
		n = protowire.ConsumeFieldValue(number, kind, data)
		if n < 0 {
			return "", fmt.Errorf("reading field %d: %w", number, protowire.ParseError(n))
		}
		data = data[n:]
	}
	return dir, nil
}
