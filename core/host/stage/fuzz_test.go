package stage_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/host/stage"
)

// placed says that err is problems which all have a place in f.
func placed(t *testing.T, err error) {
	t.Helper()
	problems, ok := errors.AsType[diag.Problems](err)
	if !ok || len(problems) == 0 {
		t.Fatalf("got %T %v, want problems", err, err)
	}
	for _, p := range problems {
		if p.File != "f" || strings.ContainsAny(p.Error(), "\r\n\x00\x1b") {
			t.Errorf("got %q", p.Error())
		}
	}
}

func FuzzManifest(f *testing.F) {
	for _, s := range []string{"command: [node, main.js]\nfiles:\n  - main.js\n  - lib\n", "command: [\"a\\u001bb\"]", "? [a]\n: b",
		"a: &a [*a]", "<<: {command: [x]}", "command: !!binary aGk=", "{{{{", "command:\n- - -", "%YAML 1.2\n---\ncommand: [a]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := stage.ParseManifest("f", text)
		if err != nil {
			placed(t, err)
			return
		}
		if len(m.Command) == 0 || filepath.IsAbs(m.Command[0]) || slices.Contains(m.Command, "") {
			t.Errorf("got command %q", m.Command)
		}
		for _, name := range m.Files {
			if !filepath.IsLocal(name) || strings.Contains(name, "\n") {
				t.Errorf("got file %q", name)
			}
		}
	})
}

func FuzzSidecar(f *testing.F) {
	for _, s := range []string{"enabled: false\nsha256: " + digestA + "\nmemory: 256MiB\nprobation: 90s\n", "memory: -1MiB", "enabled: 'true'",
		"memory: 1099511627776MiB", "probation: 2562047h48m"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := stage.ParseSidecar("f", text)
		if err != nil {
			placed(t, err)
			return
		}
		if s.Memory < 0 || s.Memory > 1<<40 || s.Probation < 0 || s.SHA256 != "" && len(s.SHA256) != 64 {
			t.Errorf("got %+v", s)
		}
	})
}

func FuzzLock(f *testing.F) {
	f.Add([]byte("# c\norg.example.a 1.0.0 linux/amd64 sha256:" + digestA + "\n\norg.example.a 1.0.0 any sha256:" + digestA + "\n#"))
	f.Add([]byte("x\x1b\ny"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := stage.ParseLock("f", text)
		if err != nil {
			placed(t, err)
			return
		}
		again, err := stage.ParseLock("f", []byte(l.String()))
		if err != nil {
			t.Fatalf("%q: %v", l.String(), err)
		}
		if diff := cmp.Diff(l.Approvals(), again.Approvals(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("written and read again: %s", diff)
		}
		if l.String() != again.String() {
			t.Errorf("got %q, then %q", l.String(), again.String())
		}
	})
}

func FuzzSignature(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	pub, _ := key.Public().(ed25519.PublicKey)
	good := stage.Claim{ID: "org.example.acme", Version: "1.2.0"}
	sig, err := stage.Sign(key, digestA, good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig)
	f.Add(bytes.ReplaceAll(sig, []byte("\n"), []byte("\r\n")))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := stage.Verify(text, digestA, []ed25519.PublicKey{pub})
		if err == nil && c != good {
			t.Errorf("%q vouches for %+v, which nobody signed", text, c)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n\x1b") {
			t.Errorf("got %q", err)
		}
	})
}

func FuzzInspect(f *testing.F) {
	for _, b := range foreignPrograms(f) {
		f.Add(b[:min(len(b), 4096)])
	}
	if all, err := programs(); err == nil {
		f.Add(all[0][:4096])
	}
	f.Add([]byte("#!/bin/sh\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, goos := range []string{"linux", "darwin", "windows"} {
			if err := stage.Inspect(bytes.NewReader(b), int64(len(b)), goos, "amd64"); err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("got %q", err)
			}
		}
	})
}
