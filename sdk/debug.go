package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// reattach is where a plugin listens that was started with --debug.
type reattach struct {
	Network  string `json:"network"`
	Addr     string `json:"addr"`
	PID      int    `json:"pid"`
	Protocol int    `json:"protocol"`
	Test     bool   `json:"test"` // the gateway does not end it
}

// debug serves the plugin until the process is interrupted, and prints how a
// gateway can be told to use it.
func (p Plugin) debug(out io.Writer) error {
	dir, err := os.MkdirTemp("", "plugin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is in the temporary folder
	lis, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		return err
	}
	text, err := json.Marshal(map[string]reattach{p.ID: {
		Network: "unix", Addr: lis.Addr().String(), PID: os.Getpid(), Protocol: pluginv1.ProtocolVersion, Test: true,
	}})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "GATEWAY_REATTACH='%s'\n", text); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.Serve(ctx, lis)
}
