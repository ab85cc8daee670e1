package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/notify"
)

// running is the gateway that runs with the configuration's data_dir.
type running struct {
	ctx     context.Context // of what it is asked
	admin   *adminAPI
	version string
}

// running finds the running gateway. A configuration with mistakes in it will
// do, as long as it says where data_dir is: the gateway runs with an older one.
func (c *command) running(ctx context.Context) (*running, func(), error) {
	src, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		src, err = nil, c.absent()
	}
	if err != nil {
		return nil, nil, err
	}
	cfg, problems := config.Parse(src, c.file)
	if cfg.DataDir == "" { // the file cannot be read at all
		defaults, _ := config.Parse(nil, c.file)
		cfg.DataDir = defaults.DataDir
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	a := newAdmin(cfg)
	done := func() { a.close(); cancel() }
	var version struct{ Version string }
	if err := a.ask(ctx, "/v1/version", &version); err != nil {
		done()
		return nil, nil, errors.Join(problems.Err(), &runError{err})
	}
	return &running{ctx, a, version.Version}, done, nil
}

// absent is nil if there is no configuration and yet a gateway where it runs by
// default: it goes on with what it has read.
func (c *command) absent() error {
	defaults, _ := config.Parse(nil, c.file)
	if _, err := os.Stat(filepath.Join(defaults.DataDir, socketFile)); err == nil {
		return nil
	}
	_, err := c.load()
	return err
}

// status prints what the running gateway says of itself. It reaches it through
// data_dir/admin.sock, where the user's id is the credential.
func (c *command) status(ctx context.Context) error {
	run, done, err := c.running(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, a := run.ctx, run.admin
	var ready struct {
		Ready   bool
		Reasons []string
	}
	var open struct {
		Items []struct{}
		Next  string
	}
	var plugins pluginList
	var rules struct{ Problems, Warnings []struct{} }
	var conf struct {
		File          string
		Problems      diag.Problems
		RestartNeeded []struct {
			Setting string
			At      diag.Pos
		} `json:"restart_needed"`
	}
	var endpoints struct{ Items []httpd.Endpoint }
	var media mediaUsage
	instances, err := askInstances(ctx, a)
	err = errors.Join(err,
		a.ask(ctx, readyPath, &ready),
		a.ask(ctx, "/v1/rules", &rules),
		a.ask(ctx, "/v1/config", &conf),
		a.ask(ctx, "/v1/conversations?status=open&limit=100", &open),
		a.ask(ctx, "/v1/plugins", &plugins),
		a.ask(ctx, "/v1/endpoints", &endpoints),
		a.ask(ctx, "/v1/media", &media),
	)
	if err != nil {
		return &runError{err}
	}

	var b strings.Builder
	fmt.Fprintf(&b, "gateway %s: ready", run.version)
	if !ready.Ready {
		b.Reset()
		fmt.Fprintf(&b, "gateway %s: not ready: %s", run.version, strings.Join(ready.Reasons, ", "))
	}
	more := ""
	if open.Next != "" {
		more = "more than "
	}
	fmt.Fprintf(&b, "\n%s%s open\n", more, count(len(open.Items), "conversation"))
	b.WriteString(media.line())
	if len(conf.Problems) > 0 {
		fmt.Fprintf(&b, "%s: %s, the configuration before stays\n", conf.File, count(len(conf.Problems), "problem"))
		for line := range strings.Lines(conf.Problems.Error()) {
			b.WriteString("  " + strings.TrimSpace(line) + "\n")
		}
	}
	for _, r := range conf.RestartNeeded {
		fmt.Fprintf(&b, "%s: %s: restart needed\n", r.At, r.Setting)
	}
	if len(rules.Problems) > 0 {
		fmt.Fprintf(&b, "rules: %s, the last good ones stay; see gateway check\n", count(len(rules.Problems), "problem"))
	}
	if len(rules.Warnings) > 0 {
		fmt.Fprintf(&b, "rules: %s; see gateway check\n", count(len(rules.Warnings), "warning"))
	}
	for _, i := range instances {
		if i.Draining != nil || i.Health != "" {
			fmt.Fprintf(&b, "%s %s: %s\n", i.kind, i.Name, i.text())
		}
	}
	for _, e := range endpoints.Items {
		if e.State != notify.Answers {
			fmt.Fprintf(&b, "endpoint %s: %s since %s\n", e.Name, strings.TrimSuffix(e.State+", "+e.Reason, ", "), e.Since.Format(time.RFC3339))
		}
	}
	plugins.status(&b)
	_, err = io.WriteString(c.out, b.String())
	return err
}

// mediaUsage is how full the store of files is.
type mediaUsage struct {
	Files    int
	Lost     int
	Bytes    int64
	MaxTotal int64 `json:"max_total"`
}

// line is for people; "" if nothing is kept.
func (u mediaUsage) line() string {
	if u.Files == 0 {
		return ""
	}
	line := fmt.Sprintf("%s of messages kept, %s of %s\n", count(u.Files, "file"), sizeText(u.Bytes), sizeText(u.MaxTotal))
	if u.Lost > 0 {
		line += fmt.Sprintf("%s of messages lost: not in the media folder any more, see the log\n", count(u.Lost, "file"))
	}
	return line
}

// sizeText writes a number of bytes as gateway.hcl does.
func sizeText(n int64) string {
	v, unit := float64(n), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, larger
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}
