package app_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/openccsp/gateway"

// arrows say what a package, and all below it, must not depend on.
var arrows = []struct {
	from, not string
	except    []string // packages the rule does not bind
	reason    string
}{
	{"sdk", "core", nil, "the SDK is a promise to others and knows nothing of the gateway's inside"},
	{"sdk", "plugins", nil, "the SDK is the floor"},
	{"plugins", "core", nil, "plugins live outside the gateway's process"},
	{"plugins", "examples", nil, "plugins do not need examples"},
	{"examples", "core", []string{"examples/bench"}, "examples show what anybody can build; the benchmark compares with the inside"},
	{"core", "plugins", nil, "the gateway knows plugins as processes only"},
	{"core", "examples", nil, "examples are built on the gateway"},

	{"core/diag", "core", nil, "diag is for config and rules both"},
	{"core/state", "core", nil, "stored formats know nothing of who uses them"},
	{"core/config", "core/state", nil, "a file's settings know nothing of what is stored"},
	{"core/conversation", "core/engine", nil, "Decide is pure"},
	{"core/flow", "core/engine", nil, "flow steps are run by Decide, which is pure"},
	{"core/rules", "core/engine", nil, "rules are asked by Decide, which is pure"},
	{"core/rehearse", "core/engine", nil, "a rehearsal has no effects"},
	{"core/delivery", "core/engine", nil, "the engine uses delivery"},
	{"core/store", "core/engine", nil, "the engine uses the store"},
}

// adapters do not know each other, nor the heart, and those in the middle do
// not know them; core/app alone knows all.
var (
	adapters = []string{"core/config", "core/console", "core/host", "core/httpd", "core/media/fetch", "core/media/files", "core/notify", "core/rules",
		"core/store/badger", "core/store/memstore", "core/store/nats"}
	middle = []string{"core/conversation", "core/delivery", "core/engine", "core/flow", "core/state", "core/store/storetest"}
	heart  = []string{"core/conversation", "core/delivery", "core/engine", "core/flow"}
)

func TestArrows(t *testing.T) {
	deps := dependencies(t)
	for _, pkg := range []string{"core/app", "core/config", "core/diag", "sdk"} {
		if deps[pkg] == nil {
			t.Fatalf("go list does not know %s", pkg)
		}
	}
	for from, list := range deps {
		for _, to := range list {
			if reason := forbidden(from, to); reason != "" {
				t.Errorf("%s must not depend on %s: %s", from, to, reason)
			}
		}
	}
}

// TestForbidden shows that the rules can fail.
func TestForbidden(t *testing.T) {
	for _, bad := range [][2]string{
		{"sdk/pluginv1", "core"}, {"plugins/rtm", "core/state"}, {"examples/webchat", "core"}, {"core/httpd", "core/host"},
		{"core/store/badger", "core/config"}, {"core/engine", "core/httpd"}, {"core/host", "core/app"}, {"core", "core/config"},
		{"core/diag", "core"}, {"core/host", "core/engine"}, {"core/httpd", "core/conversation"}, {"core/engine", "core/notify"},
	} {
		if forbidden(bad[0], bad[1]) == "" {
			t.Errorf("%s may depend on %s", bad[0], bad[1])
		}
	}
	for _, good := range [][2]string{
		{"core/app", "core/httpd"}, {"examples/bench/floor", "core/store/badger"}, {"core/engine", "core/conversation"},
		{"plugins/rtm", "sdk"}, {"core/rules", "core/diag"}, {"core", "core/state"},
	} {
		if reason := forbidden(good[0], good[1]); reason != "" {
			t.Errorf("%s may not depend on %s: %s", good[0], good[1], reason)
		}
	}
}

// forbidden returns why from must not depend on to, or "".
func forbidden(from, to string) string {
	if under(from, "core") && to == "core/app" {
		return "only main imports the wiring"
	}
	if from == "core" && to != "core/state" && under(to, "core") {
		return "the vocabulary imports nothing but the stored formats"
	}
	if from != "core/app" && slices.Contains(adapters, to) && from != to &&
		slices.ContainsFunc(append(slices.Clone(adapters), middle...), func(p string) bool { return under(from, p) }) {
		return "adapters do not know each other, nor does the middle know them; core/app wires them"
	}
	if slices.Contains(heart, to) && slices.ContainsFunc(adapters, func(p string) bool { return under(from, p) }) {
		return "adapters do not know what decides; core/app wires them"
	}
	for _, a := range arrows {
		exempt := slices.ContainsFunc(a.except, func(p string) bool { return under(from, p) })
		if under(from, a.from) && under(to, a.not) && !under(to, a.from) && !exempt {
			return a.reason
		}
	}
	return ""
}

func under(pkg, tree string) bool { return pkg == tree || strings.HasPrefix(pkg, tree+"/") }

// dependencies returns what each package of the module depends on in it,
// directly or not; names are without the module's. Tests are not looked at.
func dependencies(t *testing.T) map[string][]string {
	cmd := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg, _ := strings.CutPrefix(fields[0], module+"/")
		deps[pkg] = []string{}
		for _, d := range fields[1:] {
			if own, ok := strings.CutPrefix(d, module+"/"); ok {
				deps[pkg] = append(deps[pkg], own)
			}
		}
	}
	return deps
}
