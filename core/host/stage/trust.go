package stage

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Mode says what makes a file trusted.
type Mode string

// The modes of trust. In Pinned and Signed, files and directories that others
// may write to or own are refused. In Open, a group-writable one is a warning
// and a world-writable one is refused.
const (
	Open   Mode = "open"   // all files are
	Pinned Mode = "pinned" // those in the lock file
	Signed Mode = "signed" // those with a signature by one of Keys
)

// Trust says whom to trust.
type Trust struct {
	Mode     Mode                // "": Open
	LockFile string              // of Pinned
	Keys     []ed25519.PublicKey // of Signed
}

func (t Trust) check() (Trust, error) {
	if t.Mode == "" {
		t.Mode = Open
	}
	var err error
	switch t.Mode {
	case Open:
	case Pinned:
		if t.LockFile == "" {
			return t, errors.New("plugin trust: mode pinned needs a lock file")
		}
		if t.LockFile, err = filepath.Abs(t.LockFile); err != nil {
			return t, fmt.Errorf("plugin trust: lock file: %w", err)
		}
	case Signed:
		if len(t.Keys) == 0 {
			return t, errors.New("plugin trust: mode signed needs a public key")
		}
	default:
		return t, fmt.Errorf("plugin trust: mode %q is none of open, pinned, signed", t.Mode)
	}
	for i, k := range t.Keys {
		if len(k) != ed25519.PublicKeySize {
			return t, fmt.Errorf("plugin trust: key %d has %d bytes, want %d", i+1, len(k), ed25519.PublicKeySize)
		}
	}
	return t, nil
}

// maxWarnings is how many warnings of one kind a file has.
const maxWarnings = 3

// checkGuarded says whether others than the owner could change the plugin.
func (v *view) checkGuarded(all []guarded) (warnings []string, err error) {
	var more int
	for _, g := range all {
		trouble, bad := exposed(g)
		switch {
		case trouble == "":
		case bad || v.mode != Open:
			return nil, errors.New(trouble)
		case len(warnings) == maxWarnings:
			more++
		default:
			warnings = append(warnings, trouble)
		}
	}
	if more > 0 {
		warnings = append(warnings, fmt.Sprintf("the same of %d more", more))
	}
	return warnings, nil
}

// exposed says who else can change g; bad in every mode of trust.
func exposed(g guarded) (trouble string, bad bool) {
	mode := g.info.Mode()
	switch uid := owner(g.info); {
	case mode.Perm()&0o002 != 0:
		return fmt.Sprintf("%s can be written by everybody; chmod o-w %s", g.path, g.path), true
	case mode.Perm()&0o020 != 0:
		return fmt.Sprintf("%s can be written by its group; chmod g-w %s", g.path, g.path), false
	case uid != 0 && uid != os.Geteuid():
		return fmt.Sprintf("%s belongs to user %d, who is neither root nor the gateway's; chown it", g.path, uid), false
	}
	return "", false
}

// readSidecar puts what the operator says into f.
func (v *view) readSidecar(s *sighting, f *File) error {
	if s.sidecar.rel == "" {
		return nil
	}
	name := s.path + sidecarSuffix
	text, info, err := s.sidecar.read()
	if err != nil {
		return fmt.Errorf("%s: %w", name, plain(err))
	}
	if _, err := v.checkGuarded([]guarded{{name, info}}); err != nil {
		return err
	}
	sidecar, err := ParseSidecar(name, text)
	if err != nil {
		return err
	}
	if f.Sidecar = sidecar; !sidecar.Enabled {
		return fmt.Errorf("%w in %s", errDisabled, name)
	}
	return nil
}

// vouch returns what the lock file or a signature says of the digest.
func (v *view) vouch(s *sighting, digest string) (Claim, error) {
	switch v.mode {
	case Pinned:
		if a, ok := v.lock.Find(digest); ok {
			return Claim{a.ID, a.Version}, nil
		}
		return Claim{}, fmt.Errorf("not approved (sha256 %.12s…); gateway plugin approve %s", digest, s.path)
	case Signed:
		return v.verify(s, digest)
	}
	return Claim{}, nil
}

func (v *view) verify(s *sighting, digest string) (Claim, error) {
	if s.sig.rel == "" {
		return Claim{}, fmt.Errorf("not signed (sha256 %.12s…); put its signature beside it as %s", digest, s.path+sigSuffix)
	}
	text, info, err := s.sig.read()
	if err != nil {
		return Claim{}, fmt.Errorf("%s: %w", s.path+sigSuffix, plain(err))
	}
	name := filepath.Join(s.sig.root, s.sig.rel)
	if _, err := v.checkGuarded([]guarded{{name, info}}); err != nil {
		return Claim{}, err
	}
	claim, err := Verify(text, digest, v.keys)
	if err != nil {
		return Claim{}, fmt.Errorf("%s: %w", name, err)
	}
	return claim, nil
}

// stillTrusted says whether the content of f, which was ready once, may go on
// while what lies at its path now is err.
func (v *view) stillTrusted(f File, sidecar Sidecar, err error) bool {
	if f.Digest == "" || errors.Is(err, errDisabled) {
		return false
	}
	if sidecar.SHA256 != "" && sidecar.SHA256 != f.Digest {
		return false
	}
	_, approved := v.lock.Find(f.Digest)
	return v.mode != Pinned || approved
}
