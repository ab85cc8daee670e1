package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// trailer is the last line of a plugin: a copy of this test binary that says
// what it is.
const trailer = "\n#plugin "

// isPlugin says that this process was started as a plugin, by a gateway or by
// hand.
func isPlugin() bool {
	return os.Getenv(pluginv1.MagicCookieKey) != "" || slices.Contains(os.Args, "--debug")
}

// servePlugin is such a plugin: id, version and mode stand in the trailer.
func servePlugin() {
	what, err := readTrailer()
	if err != nil {
		panic(err)
	}
	id, version, mode := what[0], what[1], what[2]
	driver := id[strings.LastIndexByte(id, '.')+1:]
	switch mode {
	case "crash":
		fmt.Fprintln(os.Stderr, "no licence found")
		os.Exit(3)
	case "noisy": // what brings terminals down, and more than is kept
		for n := range 500 {
			fmt.Fprintf(os.Stderr, "%d \x1b[31mred \u202e%s\n", n, strings.Repeat("x", 10_000))
		}
	}
	fmt.Fprintf(os.Stderr, "hello from %s %s\n", id, version)
	if mode == "able" {
		sdk.Main(sdk.Plugin{ID: id, Version: version, Drivers: ableDrivers(driver)})
	}
	capabilities := sdk.Capabilities{ChannelType: "sms", Text: sdk.TextLimit{Limit: 160, Unit: sdk.Rune}}
	channel := sdk.NewChannel(driver, capabilities, openQuiet)
	switch mode {
	case "settings":
		channel = sdk.NewChannel(driver, capabilities, openSet)
	case "hook":
		channel = sdk.NewChannel(driver, capabilities, openHooked)
	}
	sdk.Main(sdk.Plugin{ID: id, Version: version, Drivers: []sdk.Driver{channel}})
}

func readTrailer() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(self)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(-256, io.SeekEnd); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	_, line, ok := bytes.Cut(b, []byte(trailer))
	if fields := strings.Fields(string(line)); ok && len(fields) == 3 {
		return fields, nil
	}
	return nil, fmt.Errorf("%s does not say which plugin it is", self)
}

// quiet is a channel that takes everything.
type quiet struct{}

func openQuiet(context.Context, struct{}, sdk.Host) (*quiet, error) { return &quiet{}, nil }

// settings have a schema that does not say all: retries must fit an int8.
type settings struct {
	URL     string `json:"url" jsonschema:"required,format=uri"`
	Token   string `json:"token,omitempty"`
	Retries int8   `json:"retries,omitempty" jsonschema:"minimum=0"`
}

// Check implements sdk.Checker.
func (s settings) Check() error {
	if s.Retries == 13 {
		return errors.New("retries 13 brings bad luck")
	}
	return nil
}

// Validate implements sdk.Validator: the vendor is always away.
func (settings) Validate(context.Context) error { return errors.New("the vendor is away") }

func openSet(context.Context, settings, sdk.Host) (*quiet, error) { return &quiet{}, nil }

// Send implements sdk.Channel.
func (*quiet) Send(context.Context, sdk.Customer, sdk.Message) (sdk.Receipt, error) {
	return sdk.Receipt{MessageID: "1"}, nil
}

// hooked is a channel to whose hook the customer ada writes.
type hooked struct{ quiet }

func openHooked(context.Context, struct{}, sdk.Host) (*hooked, error) { return &hooked{}, nil }

// Webhook implements sdk.WebhookReceiver.
func (*hooked) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	return sdk.WebhookResponse{Events: []sdk.Event{{
		Type: sdk.CustomerMessage, Text: string(r.Body), Customer: sdk.Customer{Address: "ada", FirstName: "Ada"},
	}}}, nil
}

// plugin makes a plugin: plugin FILE ID VERSION [MODE].
func plugin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: plugin file id version [mode]")
	}
	mode := append(args, "well")[3]
	self, err := os.Executable()
	ts.Check(err)
	in, err := os.Open(self)
	ts.Check(err)
	defer in.Close()
	path := ts.MkAbs(args[0])
	out, err := os.OpenFile(filepath.Join(filepath.Dir(path), ".new"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	ts.Check(err)
	_, err = io.Copy(out, in)
	ts.Check(err)
	pad := strings.Repeat(" ", 256) // the trailer is within the last 256 bytes
	_, err = fmt.Fprintf(out, "%s%s%s %s %s\n", pad, trailer, args[1], args[2], mode)
	ts.Check(err)
	ts.Check(out.Close())
	ts.Check(os.Rename(out.Name(), path))
}

// until runs a command until it prints what a pattern matches: until PATTERN
// COMMAND…
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until pattern command…")
	}
	const loop = `
want=$1; shift
n=0
while :; do
	"$@" >until.out 2>&1; code=$?
	if [ $code = 0 ] && grep -Eq -e "$want" until.out; then cat until.out; exit 0; fi
	n=$((n+1))
	if [ $n -gt 1200 ]; then cat until.out; exit 1; fi
	sleep 0.05 # the gateway is another process
done`
	if err := ts.Exec("sh", append([]string{"-c", loop, "until"}, args...)...); err != nil {
		ts.Fatalf("%q has not come from %q", args[0], args[1:])
	}
}
