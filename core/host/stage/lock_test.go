package stage_test

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/host/stage"
)

var (
	digestA = strings.Repeat("a", 64)
	digestB = strings.Repeat("b", 64)
)

func TestLock(t *testing.T) {
	text := "# the plugins of this gateway\n\n" +
		"# tried on 3 March\norg.example.b 1.0.0 linux/amd64 sha256:" + digestA + "  \r\n" +
		"org.example.a\t2.0.0   any sha256:" + digestB + "\n# end\n"
	l, err := stage.ParseLock("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	replaced, err := l.Add(stage.Approval{ID: "org.example.b", Version: "1.0.0", Platform: "linux/amd64", Digest: digestB})
	if err != nil || replaced != digestA {
		t.Errorf("Add: replaced %q, %v", replaced, err)
	}
	if _, err := l.Add(stage.Approval{ID: "org.example.b", Version: "0.9.0", Platform: stage.Platform, Digest: digestA}); err != nil {
		t.Fatal(err)
	}
	want := "org.example.a 2.0.0 any sha256:" + digestB + "\n" +
		"org.example.b 0.9.0 " + stage.Platform + " sha256:" + digestA + "\n" +
		"# the plugins of this gateway\n\n# tried on 3 March\n" +
		"org.example.b 1.0.0 linux/amd64 sha256:" + digestB + "\n# end\n"
	if diff := cmp.Diff(want, l.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if a, ok := l.Find(digestA); !ok || a.Version != "0.9.0" {
		t.Errorf("Find: got %+v, %t", a, ok)
	}
	foreign, _ := stage.ParseLock("f", []byte("org.example.a 1.0.0 plan9/mips sha256:"+digestA+"\n"))
	if a, ok := foreign.Find(digestA); ok {
		t.Errorf("found for another platform: %+v", a)
	}
	if n := len(l.Approvals()); n != 3 {
		t.Errorf("got %d approvals, want 3", n)
	}
}

func TestLockProblems(t *testing.T) {
	good := "org.example.a 1.0.0 any sha256:" + digestA
	hint := "; a line is: plugin version platform sha256:digest"
	tests := map[string]string{
		"x":                   "f:1:1: the line has 1 fields, want 4" + hint,
		good + " x":           "f:1:1: the line has 5 fields, want 4" + hint,
		good + "\n\n" + good:  "f:3:1: org.example.a 1.0.0 for any stands in line 1 already",
		strings.ToUpper(good): `f:1:1: digest "SHA256:` + strings.ToUpper(digestA) + `" does not begin with "sha256:"` + hint,
		good[:len(good)-1]:    `f:1:1: digest "` + digestA[1:] + `" is not a SHA-256 in lower-case hex` + hint,
		"acme" + good[13:]:    `f:1:1: plugin id "acme" is not a name such as "org.example.acme"` + hint,
		"org.example.a ../.. any sha256:" + digestA:   `f:1:1: version "../.." is not one such as "1.2.0"` + hint,
		"org.example.a 1.0.0 linux sha256:" + digestA: `f:1:1: platform "linux" is neither "any" nor one such as "linux/amd64"` + hint,
	}
	for text, want := range tests {
		if _, err := stage.ParseLock("f", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := stage.ParseLock("f", make([]byte, 5<<20)); err == nil {
		t.Error("a lock of 5 MiB: no error")
	}
}

// TestApproveTogether: writers at once lose nothing.
func TestApproveTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugins.lock")
	if _, err := stage.LoadLock(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no lock file: got %v", err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if _, err := stage.Approve(path, stage.Approval{ID: "org.example.acme", Version: "1.0." + strconv.Itoa(i), Platform: "any", Digest: digestA}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	l, err := stage.LoadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.Approvals()); n != 16 {
		t.Errorf("got %d approvals, want 16", n)
	}
	if err := os.WriteFile(path, []byte("oops"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stage.Approve(path, stage.Approval{ID: "org.example.acme", Version: "2.0.0", Platform: "any", Digest: digestA}); err == nil {
		t.Error("Approve wrote over a lock file with a mistake")
	}
	sameFile(t, path, []byte("oops"))
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v, want the lock file alone", entries, err)
	}
}

// TestSignatureForm pins the format: signatures are for years.
func TestSignatureForm(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	pub, _ := key.Public().(ed25519.PublicKey)
	c := stage.Claim{ID: "org.example.acme", Version: "1.2.0"}
	sig, err := stage.Sign(key, digestA, c)
	if err != nil {
		t.Fatal(err)
	}
	message := "openccsp plugin signature v1\nsha256 " + digestA + "\nplugin org.example.acme\nversion 1.2.0\n"
	if !strings.HasPrefix(string(sig), message+"key 139e3940e64b5491\nsignature ") {
		t.Errorf("got\n%s", sig)
	}
	keys := []ed25519.PublicKey{pub}
	for name, s := range map[string]string{"as written": string(sig), "Windows line ends": strings.ReplaceAll(string(sig), "\n", "\r\n"),
		"no last line end": strings.TrimSuffix(string(sig), "\n")} {
		if got, err := stage.Verify([]byte(s), digestA, keys); err != nil || got != c {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for i := range sig {
		bad := append([]byte(nil), sig...)
		bad[i] ^= 1
		if _, err := stage.Verify(bad, digestA, keys); err == nil {
			t.Errorf("byte %d changed: the signature holds", i)
		}
	}
	for name, s := range map[string]string{"a line more": string(sig) + "x\n", "empty": "", "huge": strings.Repeat("x", 1<<20)} {
		if _, err := stage.Verify([]byte(s), digestA, keys); err == nil {
			t.Errorf("%s: the signature holds", name)
		}
	}
	for _, c := range []stage.Claim{{}, {ID: "org.example.acme", Version: "1\nkey x"}, {ID: "a.b\nversion 2", Version: "1.0.0"}} {
		if _, err := stage.Sign(key, digestA, c); err == nil {
			t.Errorf("%+v was signed", c)
		}
	}
	if _, err := stage.Sign(key, "abc", c); err == nil {
		t.Error("a digest that is none was signed")
	}
}

func TestKeys(t *testing.T) {
	for _, s := range []string{"", "x", "AAAA", strings.Repeat("A", 44), strings.Repeat("A", 43) + "=\nx"} {
		if _, err := stage.ParsePublicKey(s); err == nil {
			t.Errorf("public key %q: no error", s)
		}
		_, err := stage.ParsePrivateKey(s)
		if err == nil {
			t.Errorf("private key %q: no error", s)
		}
		if s != "" && s != "x" && strings.Contains(err.Error(), s) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}
