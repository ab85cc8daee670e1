package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/httpd"
)

// maxLogLine is how many bytes of a line of the log are read; the gateway's are
// shorter.
const maxLogLine = 1 << 20

// pluginLogs is the command `gateway plugin logs`.
func (c *command) pluginLogs() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "logs NAME", Args: one,
		Short: "Print the last lines that a plugin wrote; with -f, also the new ones until Ctrl-C",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.logs(cmd.Context(), args[0], follow) },
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new lines")
	return cmd
}

func (c *command) logs(ctx context.Context, name string, follow bool) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	a := newAdmin(cfg)
	defer a.close()
	id, err := a.pluginID(ctx, name)
	if err == nil {
		err = a.logs(ctx, id, follow, func(l httpd.PluginLine) error { return printLine(c.out, l) })
	}
	if ctx.Err() != nil { // Ctrl-C is how following ends
		return nil
	}
	if err != nil {
		return &runError{err}
	}
	if follow {
		_, err = fmt.Fprintln(c.errOut, "gateway: the log has ended: the gateway stops")
	}
	return err
}

// pluginID returns what the API calls the plugin that name means.
func (a *adminAPI) pluginID(ctx context.Context, name string) (string, error) {
	list, err := a.plugins(ctx)
	if err != nil {
		return "", err
	}
	p, err := list.find(name)
	if err != nil {
		return "", err
	}
	return keyOf(p), nil
}

// logs calls emit for each line until there are no more.
func (a *adminAPI) logs(ctx context.Context, id string, follow bool, emit func(httpd.PluginLine) error) error {
	path := pluginURL(id, "/logs")
	if follow {
		path += "?follow=1"
	}
	resp, err := a.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() {
		b := bytes.TrimSpace(lines.Bytes())
		if len(b) == 0 { // nothing new
			continue
		}
		var l httpd.PluginLine
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		if err := emit(l); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // the gateway was killed
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

func printLine(w io.Writer, l httpd.PluginLine) error {
	_, err := fmt.Fprintf(w, "%s %-5s %s\n", l.At.Local().Format("2006-01-02T15:04:05.000Z07:00"), printable(l.Level), printable(l.Text))
	return err
}
