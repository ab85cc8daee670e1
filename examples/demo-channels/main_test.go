package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// built is where the programs are that TestMain has built, as make build lays
// them out.
var built string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "channels-test-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	built = filepath.Join(dir, "examples")
	for out, packages := range map[string]string{
		filepath.Join(dir, "gateway"): "../..", filepath.Join(dir, "plugins") + "/": "../../plugins/...", built + "/": "../enghouse-sim",
	} {
		if text, err := exec.Command("go", "build", "-o", out, packages).CombinedOutput(); err != nil {
			panic("go build: " + err.Error() + "\n" + string(text))
		}
	}
	return m.Run()
}

// All of it, as make demo-channels plays it.
func TestChannels(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	t.Setenv("TMPDIR", t.TempDir())
	all, err := choose(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(ctx, &out, built, all, false); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if want := fmt.Sprintf("all %d channels did as they should", len(all)); !strings.Contains(out.String(), want) {
		t.Errorf("%q is missing:\n%s", want, out.String())
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("%d entries are left in the temporary folder, the first is %s", len(left), left[0])
	}
}

func TestChoose(t *testing.T) {
	if some, err := choose([]string{"wechat", "rtm"}); err != nil || len(some) != 2 || some[0].name != "rtm" {
		t.Errorf("two of them: %v, %v", some, err)
	}
	if _, err := choose([]string{"fax"}); err == nil || err.Error() != `there is no scene "fax"` {
		t.Errorf("one that is not there: %v", err)
	}
}
