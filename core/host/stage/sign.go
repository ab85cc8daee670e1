package stage

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// sigHead is the first line of a signature.
const sigHead = "openccsp plugin signature v1"

var (
	idForm      = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$`)
	versionForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+-]{0,159}$`)
)

func (c Claim) check() error {
	if len(c.ID) > 128 || !idForm.MatchString(c.ID) {
		return fmt.Errorf("plugin id %q is not a name such as \"org.example.acme\"", clip(c.ID))
	}
	if !versionForm.MatchString(c.Version) {
		return fmt.Errorf("version %q is not one such as \"1.2.0\"", clip(c.Version))
	}
	return nil
}

// GenerateKey returns a new pair of keys in the form that ParsePublicKey and
// ParsePrivateKey read. The private one signs plugins: keep it off the
// machine that runs them.
func GenerateKey() (public, private string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("generate key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(pub), base64.StdEncoding.EncodeToString(key.Seed()), nil
}

// ParsePublicKey reads the base64 of an ed25519 public key of 32 bytes.
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("public key is not the base64 of %d bytes", ed25519.PublicKeySize)
	}
	return b, nil
}

// ParsePrivateKey reads the base64 of an ed25519 seed of 32 bytes. Its errors
// do not hold s.
func ParsePrivateKey(s string) (ed25519.PrivateKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) != ed25519.SeedSize {
		return nil, fmt.Errorf("private key is not the base64 of %d bytes", ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(b), nil
}

// keyID names a key for people.
func keyID(k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:8])
}

// signed are the bytes that a signature is over.
func signed(digest string, c Claim) []byte {
	return fmt.Appendf(nil, "%s\nsha256 %s\nplugin %s\nversion %s\n", sigHead, digest, c.ID, c.Version)
}

// Sign returns the content of the file <plugin>.sig, which vouches that the
// content with this digest (see [Digest]) is the plugin and version of c:
//
//	openccsp plugin signature v1
//	sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//	plugin org.example.acme
//	version 1.2.0
//	key 1f2e3d4c5b6a7988
//	signature bm90IGEgcmVhbCBzaWduYXR1cmU=…
//
// What is signed with ed25519 are the bytes of the first four lines, each with
// the line feed that ends it. signature is in standard base64; key says which
// key it was, the first 8 bytes of the public key's SHA-256 in hex.
func Sign(key ed25519.PrivateKey, digest string, c Claim) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("sign: not a private key")
	}
	if !isDigest(digest) {
		return nil, fmt.Errorf("sign: %q is not a SHA-256 in lower-case hex", clip(digest))
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	message := signed(digest, c)
	public, _ := key.Public().(ed25519.PublicKey)
	sig := base64.StdEncoding.EncodeToString(ed25519.Sign(key, message))
	return fmt.Appendf(message, "key %s\nsignature %s\n", keyID(public), sig), nil
}

// Verify returns what sig, the content of a .sig file, vouches for. It is an
// error if sig is for another digest or by none of keys.
func Verify(sig []byte, digest string, keys []ed25519.PublicKey) (Claim, error) {
	s, err := parseSig(sig)
	if err != nil {
		return Claim{}, err
	}
	if s.digest != digest {
		return Claim{}, fmt.Errorf("signature is for other content (sha256 %.12s…, this is %.12s…)", s.digest, digest)
	}
	message := signed(s.digest, s.claim)
	for _, k := range keys {
		if keyID(k) == s.key && ed25519.Verify(k, message, s.sig) {
			return s.claim, nil
		}
	}
	for _, k := range keys {
		if keyID(k) == s.key {
			return Claim{}, fmt.Errorf("signature by key %s is wrong", s.key)
		}
	}
	return Claim{}, fmt.Errorf("signature is by key %s, which is not trusted here", s.key)
}

// signature is a .sig file.
type signature struct {
	digest string
	claim  Claim
	key    string
	sig    []byte
}

// parseSig reads the form that Sign writes. A carriage return before a line
// feed is forgiven.
func parseSig(b []byte) (s signature, err error) {
	if len(b) > maxText {
		return s, fmt.Errorf("signature is larger than %d bytes", maxText)
	}
	text := strings.TrimSuffix(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	lines := strings.Split(text, "\n")
	if len(lines) != 6 || lines[0] != sigHead {
		return s, fmt.Errorf("signature does not have the form of %q", sigHead)
	}
	var fields [5]string
	for i, name := range []string{"sha256", "plugin", "version", "key", "signature"} {
		value, ok := strings.CutPrefix(lines[i+1], name+" ")
		if !ok {
			return s, fmt.Errorf("signature: line %d is not %q and a value", i+2, name)
		}
		fields[i] = value
	}
	s.digest, s.claim, s.key = fields[0], Claim{fields[1], fields[2]}, fields[3]
	if !isDigest(s.digest) {
		return s, errors.New("signature: sha256 is not 64 hexadecimal digits")
	}
	if err := s.claim.check(); err != nil {
		return s, fmt.Errorf("signature: %w", err)
	}
	if s.sig, err = base64.StdEncoding.Strict().DecodeString(fields[4]); err != nil || len(s.sig) != ed25519.SignatureSize {
		return s, fmt.Errorf("signature: not the base64 of %d bytes", ed25519.SignatureSize)
	}
	return s, nil
}
