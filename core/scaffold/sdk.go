package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// module is the gateway's; the SDK is a package of it.
const module = "github.com/openccsp/gateway"

// needed are the modules that the SDK and its tests are built of. They stand
// in a plugin's go.mod with the versions of the SDK's, so that it builds as it
// is, without the network.
var needed = []string{
	"code.dny.dev/ssrf",
	"github.com/bahlo/generic-list-go",
	"github.com/buger/jsonparser",
	"github.com/cenkalti/backoff/v5",
	"github.com/fatih/color",
	"github.com/golang/protobuf",
	"github.com/hashicorp/go-hclog",
	"github.com/hashicorp/go-plugin",
	"github.com/hashicorp/yamux",
	"github.com/invopop/jsonschema",
	"github.com/mattn/go-colorable",
	"github.com/mattn/go-isatty",
	"github.com/oklog/run",
	"github.com/pb33f/ordered-map/v2",
	"github.com/planetscale/vtprotobuf",
	"github.com/santhosh-tekuri/jsonschema/v6",
	"go.uber.org/goleak",
	"go.yaml.in/yaml/v4",
	"golang.org/x/net",
	"golang.org/x/sync",
	"golang.org/x/sys",
	"golang.org/x/text",
	"google.golang.org/genproto/googleapis/rpc",
	"google.golang.org/grpc",
	"google.golang.org/protobuf",
}

// released is a version that the module can be had in; "git describe" makes
// others.
var released = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)

// useSDK has p built against the source tree at path, or the one that is
// found, or the released module of that version.
func (p *Project) useSDK(path, version string) error {
	if path == "" {
		path = Source()
	}
	if path != "" {
		return p.useSource(path)
	}
	return p.useModule(version)
}

// useModule has p require the released module.
func (p *Project) useModule(version string) error {
	if !released.MatchString(version) {
		return fmt.Errorf("no SDK: this gateway (%s) is no release, and its source is not on this machine; "+
			"--sdk names a copy of it", version)
	}
	p.SDKVersion = version
	return nil
}

// useSource reads the versions of the SDK's own modules, and their sums.
func (p *Project) useSource(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(path, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !isModule(mod) {
		return fmt.Errorf("sdk %s: want the source tree of the gateway, where go.mod says module %s", path, module)
	}
	if err != nil {
		return fmt.Errorf("sdk: %w", err)
	}
	sums, err := os.ReadFile(filepath.Join(path, "go.sum"))
	if err != nil {
		return fmt.Errorf("sdk: %w", err)
	}
	p.SDK, p.SDKVersion = path, "v0.0.0"
	if strings.ContainsAny(path, " \t\"'`") {
		p.SDK = strconv.Quote(path)
	}
	versions := requirements(mod)
	for _, m := range needed {
		if versions[m] == "" {
			continue // the SDK at path does not need it
		}
		line := m + " " + versions[m]
		p.Requires = append(p.Requires, line)
		p.sums = append(p.sums, sumsOf(sums, line)...)
	}
	return nil
}

func isModule(mod []byte) bool {
	return slices.ContainsFunc(strings.Split(string(mod), "\n"), func(line string) bool {
		return strings.TrimSpace(line) == "module "+module
	})
}

// requirements returns the versions of all modules that a go.mod requires.
func requirements(mod []byte) map[string]string {
	versions := make(map[string]string)
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) >= 2 && strings.HasPrefix(f[1], "v") {
			versions[f[0]] = f[1]
		}
	}
	return versions
}

// sumsOf returns the lines of a go.sum for one module and version.
func sumsOf(sums []byte, of string) (lines []byte) {
	for line := range bytes.Lines(sums) {
		if bytes.HasPrefix(line, []byte(of+" ")) || bytes.HasPrefix(line, []byte(of+"/go.mod ")) {
			lines = append(lines, line...)
		}
	}
	return lines
}

// Source returns the source tree that the running program was built from, ""
// if it is not on this machine: the tree that the program lies in, as `make
// build` leaves it, or the one that the compiler noted down.
func Source() string {
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			if dir := above(filepath.Dir(exe)); dir != "" {
				return dir
			}
		}
	}
	if _, here, _, ok := runtime.Caller(0); ok && filepath.IsAbs(here) {
		return above(filepath.Dir(here))
	}
	return ""
}

// above returns the nearest of dir and the folders above it that is the
// gateway's module.
func above(dir string) string {
	for {
		if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && isModule(mod) {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}
