package app

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/durable"
	"github.com/openccsp/gateway/core/host/stage"
)

// pluginKeygen is the command `gateway plugin keygen`.
func (c *command) pluginKeygen() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key to sign plugins with: FILE is the secret one, FILE.pub the public one",
		Args:  one,
		RunE:  func(_ *cobra.Command, args []string) error { return c.makeKey(args[0]) },
	}
}

func (c *command) makeKey(file string) error {
	public, private, err := stage.GenerateKey()
	if err != nil {
		return err
	}
	if err := durable.Create(file, []byte(private+"\n"), 0o600); err != nil {
		return keyError(file, err)
	}
	if err := durable.Create(file+".pub", []byte(public+"\n"), 0o644); err != nil {
		return keyError(file+".pub", errors.Join(err, os.Remove(file)))
	}
	_, err = fmt.Fprintf(c.out, "%s  secret: keep it off the machines that run gateways\n%s  public: %s\n\n"+
		"plugins {\n  trust = \"signed\"\n  keys  = [%q]\n}\n", file, file+".pub", public, public)
	return err
}

func keyError(file string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("key: there is a %s; it is not replaced", file)
	}
	return fmt.Errorf("key: %w", err)
}

// signFlags are the flags of `gateway plugin sign`.
type signFlags struct{ key, id, version string }

// pluginSign is the command `gateway plugin sign`.
func (c *command) pluginSign() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign PATH --key FILE",
		Short: "Write PATH.sig: with trust \"signed\" and the public key in gateway.hcl the plugin may run",
		Long: "It signs the digest of the plugin together with its id and version. To learn these the\n" +
			"program is started once, unless --id and --version say them. It needs no gateway.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error { return c.signPlugin(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.key, "key", "", "secret key, a `file` that gateway plugin keygen wrote")
	cmd.Flags().StringVar(&f.id, "id", "", "plugin `id`, such as org.example.acme")
	cmd.Flags().StringVar(&f.version, "version", "", "its `version`, such as 1.2.0")
	cmd.MarkFlagsRequiredTogether("id", "version")
	_ = cmd.MarkFlagRequired("key") // it is a flag of cmd
	return cmd
}

func (c *command) signPlugin(ctx context.Context, path string, f signFlags) error {
	if strings.HasSuffix(f.key, ".pub") {
		return fmt.Errorf("key: %s is the public one; give the secret one", f.key)
	}
	text, err := readOrMake(f.key, false)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	key, err := stage.ParsePrivateKey(text)
	if err != nil {
		return fmt.Errorf("key: %s: %w", f.key, err)
	}
	sig := filepath.Clean(path) + ".sig"
	var claim stage.Claim
	var digest string
	err = withCopy(ctx, path, "", stage.Trust{}, func(file stage.File) error {
		if claim, err = claimFor(ctx, file, f.id, f.version); err != nil {
			return err
		}
		digest = file.Digest
		b, err := stage.Sign(key, digest, claim)
		if err != nil {
			return err
		}
		return durable.Replace(sig, b, 0o644)
	})
	if err != nil {
		return &runError{err}
	}
	public, _ := key.Public().(ed25519.PublicKey)
	_, err = fmt.Fprintf(c.out, "signed %s %s sha256:%s\nwith the key %s\nin %s\n", claim.ID, claim.Version, digest,
		base64.StdEncoding.EncodeToString(public), sig)
	return err
}
