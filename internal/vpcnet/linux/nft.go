package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ToolError is what a program said when it failed.
type ToolError struct {
	Args   []string
	Stderr string
	Err    error
}

func (e *ToolError) Error() string {
	return fmt.Sprintf("%s: %v: %s", strings.Join(e.Args, " "), e.Err, strings.TrimSpace(e.Stderr))
}

func (e *ToolError) Unwrap() error { return e.Err }

// setRuleset makes one nftables table what text says, in the namespace or, if ns
// is nil, on the host. The replacement is one transaction, without a moment in
// which the table is missing.
func (d *Driver) setRuleset(ctx context.Context, ns *os.File, table, text string) error {
	have, err := d.runNFT(ctx, ns, "", "-s", "list", "table", "ip", table)
	if err == nil && have == text {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	d.log.Info("replacing nftables table", "table", table)
	script := fmt.Sprintf("table ip %s\ndelete table ip %s\n%s", table, table, text)
	if _, err := d.runNFT(ctx, ns, script, "-f", "-"); err != nil {
		return fmt.Errorf("replacing nftables table %s: %w", table, err)
	}
	return nil
}

// deleteTable deletes a table of the host, if it is there.
func (d *Driver) deleteTable(ctx context.Context, table string) error {
	script := fmt.Sprintf("table ip %s\ndelete table ip %s\n", table, table)
	if _, err := d.runNFT(ctx, nil, script, "-f", "-"); err != nil {
		return fmt.Errorf("deleting nftables table %s: %w", table, err)
	}
	return nil
}

// hostTables lists the names of the host's tables of family ip.
func (d *Driver) hostTables(ctx context.Context) ([]string, error) {
	out, err := d.runNFT(ctx, nil, "", "list", "tables", "ip")
	if err != nil {
		return nil, fmt.Errorf("listing nftables tables: %w", err)
	}
	var names []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "table" {
			names = append(names, f[2])
		}
	}
	return names, nil
}

func (d *Driver) runNFT(ctx context.Context, ns *os.File, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.nft, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	start := cmd.Start
	if ns != nil {
		start = func() error { return inside(ns, cmd.Start) }
	}
	err := start()
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return "", &ToolError{Args: cmd.Args, Stderr: stderr.String(), Err: errors.Join(err, ctx.Err())}
	}
	return stdout.String(), nil
}
