package app

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/host/stage"
	"github.com/openccsp/gateway/core/httpd"
)

// verified is what `gateway plugin verify` found.
type verified struct {
	Trust  string              `json:"trust"`
	Files  []verifiedFile      `json:"files"`
	Alarms []httpd.PluginAlarm `json:"alarms"`
}

type verifiedFile struct {
	Path     string             `json:"path"`
	OK       bool               `json:"ok"`
	State    string             `json:"state"` // ready, settling, refused
	Reason   string             `json:"reason,omitempty"`
	Digest   string             `json:"digest,omitempty"`
	Claim    *httpd.PluginClaim `json:"claim,omitempty"`
	Warnings []string           `json:"warnings,omitempty"`
}

// verifyFlags are the flags of `gateway plugin verify`.
type verifyFlags struct {
	key  string
	json bool
}

// pluginVerify is the command `gateway plugin verify`.
func (c *command) pluginVerify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [PATH…]",
		Short: "Say whether plugin files are complete and trusted; without PATH, all of plugin_dirs",
		Long: "It looks at each file as the gateway does: is it whole and for this system, may nobody else\n" +
			"write to it, is it in the lock file, is its signature right. Nothing is started. The exit\n" +
			"code is 1 if one of them may not run.\n\n" +
			"With --key it needs no gateway.hcl: PATHs must be signed with that key.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.verifyPlugins(cmd.Context(), args, f) },
	}
	cmd.Flags().StringVar(&f.key, "key", "", "public key that must have signed, a `file` that gateway plugin keygen wrote")
	cmd.Flags().BoolVar(&f.json, "json", false, "print what was found as JSON")
	return cmd
}

func (c *command) verifyPlugins(ctx context.Context, paths []string, f verifyFlags) error {
	v, err := c.verify(ctx, paths, f.key)
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(c.out, v)
	} else {
		err = v.print(c.out)
	}
	if err != nil {
		return err
	}
	if n := v.bad(); n > 0 {
		return &runError{fmt.Errorf("%s may not run", count(n, "file"))}
	}
	if n := len(v.Alarms); n > 0 {
		return &runError{fmt.Errorf("%s cannot be read", count(n, "place"))}
	}
	return nil
}

func (c *command) verify(ctx context.Context, paths []string, keyFile string) (verified, error) {
	if keyFile != "" {
		if len(paths) == 0 {
			return verified{}, errors.New("--key is for PATHs: name the files to verify")
		}
		text, err := os.ReadFile(keyFile)
		if err != nil {
			return verified{}, fmt.Errorf("key: %w", err)
		}
		key, err := stage.ParsePublicKey(string(text))
		if err != nil {
			return verified{}, fmt.Errorf("key: %s: %w", keyFile, err)
		}
		return verifyPaths(ctx, paths, stage.Trust{Mode: stage.Signed, Keys: []ed25519.PublicKey{key}})
	}
	cfg, err := c.load()
	if err != nil {
		return verified{}, err
	}
	if len(paths) > 0 {
		return verifyPaths(ctx, paths, trustOf(cfg.Plugins))
	}
	return verifyDirs(ctx, cfg)
}

func verifyDirs(ctx context.Context, cfg *config.Config) (verified, error) {
	catalog, err := survey(ctx, cfg)
	if err != nil {
		return verified{}, err
	}
	v := verified{Trust: string(cfg.Plugins.Trust), Files: []verifiedFile{}, Alarms: showAlarms(catalog)}
	for _, f := range catalog.Files {
		v.add(ctx, f)
	}
	return v, nil
}

func verifyPaths(ctx context.Context, paths []string, trust stage.Trust) (verified, error) {
	v := verified{Trust: string(trust.Mode), Alarms: []httpd.PluginAlarm{}}
	if trust.Mode == stage.Pinned {
		if _, err := stage.LoadLock(trust.LockFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return v, err
		}
	}
	for _, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			return v, err
		}
		f := stage.File{Path: path}
		err = withCopy(ctx, path, "", trust, func(copied stage.File) error { f = copied; return nil })
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		f.State = stage.Ready
		if err != nil {
			f.State, f.Reason = stage.Refused, reasonOf(path, err)
		}
		v.add(ctx, f)
	}
	return v, nil
}

func (v *verified) add(ctx context.Context, f stage.File) {
	if f.Digest == "" {
		f.Digest, _ = stage.Digest(ctx, f.Path) // of what is incomplete there is none
	}
	v.Files = append(v.Files, verifiedFile{
		Path: f.Path, OK: f.State == stage.Ready, State: string(f.State), Reason: f.Reason, Digest: f.Digest,
		Claim: showClaim(f.Claim), Warnings: f.Warnings,
	})
}

func (v *verified) bad() (n int) {
	for _, f := range v.Files {
		if !f.OK {
			n++
		}
	}
	return n
}

func (v *verified) print(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range v.Files {
		word, what := "ok", "sha256 "+f.Digest
		if !f.OK {
			word, what = f.State, f.Reason
		}
		if f.Claim != nil {
			what += fmt.Sprintf(", %s %s", f.Claim.ID, f.Claim.Version)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", word, printable(f.Path), printable(what)) // a strings.Builder takes all
	}
	_ = t.Flush()
	for _, f := range v.Files {
		for _, warning := range f.Warnings {
			fmt.Fprintf(&b, "warning: %s\n", printable(warning))
		}
	}
	for _, a := range v.Alarms {
		fmt.Fprintf(&b, "alarm: %s\n", alarmText(a))
	}
	fmt.Fprintf(&b, "trust %s: %s, %d ok\n", v.Trust, count(len(v.Files), "file"), len(v.Files)-v.bad())
	_, err := io.WriteString(w, b.String())
	return err
}

// printJSON writes v for machines.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
