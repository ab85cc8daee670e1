package app_test

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openccsp/gateway/core/app"
	"github.com/openccsp/gateway/core/host/sandbox"
)

// root is where the repository's gateway.hcl and rules.d are.
const root = "../.."

func TestMain(m *testing.M) {
	sandbox.Main()
	if isPlugin() {
		servePlugin()
	}
	testscript.Main(m, map[string]func(){
		"gateway": func() { os.Exit(app.Main(os.Args[1:], defaults())) },
	})
}

// defaults is what package main embeds.
func defaults() fs.FS {
	dir := os.Getenv("TEST_ROOT")
	files := fstest.MapFS{}
	for _, pattern := range []string{"gateway.hcl", "rules.d/*"} {
		names, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			panic(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				panic(err)
			}
			files[name] = &fstest.MapFile{Data: b}
		}
	}
	return files
}

func TestScripts(t *testing.T) {
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TEST_ROOT", dir)
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			tmp, err := os.MkdirTemp("", "gw") //nolint:usetesting // a short name: sockets of plugins lie in it
			if err != nil {
				return err
			}
			e.Defer(func() { _ = os.RemoveAll(tmp) })
			e.Setenv("TMPDIR", tmp)
			ln, err := net.Listen("tcp", "127.0.0.1:0") // a port that is in use
			if err != nil {
				return err
			}
			e.Defer(func() { _ = ln.Close() })
			e.Setenv("BUSY", ln.Addr().String())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await, "desk": desk, "far": far, "mode": mode, "plugin": plugin, "shipped": shipped, "until": until},
	})
}

// await waits until a file holds a text: await FILE TEXT.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await file text")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		if bytes.Contains(b, []byte(args[1])) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not hold %q but\n%s", args[0], args[1], b)
		}
		time.Sleep(20 * time.Millisecond) // the file is another process's
	}
}

// mode checks the permissions of a file: mode 600 FILE.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode octal file")
	}
	info, err := os.Lstat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); got != os.FileMode(parseOctal(ts, args[0])).String() {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

func parseOctal(ts *testscript.TestScript, s string) (n uint32) {
	for _, c := range s {
		if c < '0' || c > '7' {
			ts.Fatalf("%q is not octal", s)
		}
		n = n<<3 | uint32(c-'0')
	}
	return n
}
