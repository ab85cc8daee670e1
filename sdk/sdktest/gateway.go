// Package sdktest runs a plugin in the test process, as the gateway would run
// it: through the real frames, with everything the gateway offers faked.
//
// [Start] is for tests of what a driver does:
//
//	g := sdktest.Start(t, plugin, "shop", "acme", Settings{URL: far.URL})
//	receipt, err := g.Send(t.Context(), sdk.Customer{Address: "+4179"}, sdk.Message{Text: "hi"})
//
// [Run] is the suite that every driver must pass.
package sdktest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// patience limits what should be a matter of milliseconds.
const patience = time.Minute

// Gateway is a gateway with one plugin and one instance. Its methods are safe
// for concurrent use. Errors of calls are those of package sdk, as the driver
// meant them: errors.Is(err, sdk.ErrChatGone), errors.As with *sdk.RetryError.
type Gateway struct {
	t        testing.TB
	instance string
	driver   *pluginv1.Driver
	manifest *pluginv1.Manifest
	plugin   pluginv1.PluginClient
	link     pluginv1.LinkClient
	wire     *wire
	fakes    *fakes
	logs     *logBuffer
	stop     func()

	mu       sync.Mutex
	revision uint64
	caps     *pluginv1.Capabilities
}

// Start serves p, opens one instance of its driver with settings (anything
// that marshals to a JSON object) and lets it receive. Everything ends with
// the test; what goes wrong ends the test.
func Start(t testing.TB, p sdk.Plugin, instance, driver string, settings any) *Gateway {
	t.Helper()
	g := start(t, p, instance, driver)
	state, err := g.open(t.Context(), settings)
	if err != nil {
		t.Fatalf("open %s: %v", instance, err)
	}
	if !state.Ok {
		t.Fatalf("open %s: %s %v", instance, state.Message, state.Problems)
	}
	g.Activate(t.Context())
	return g
}

// start serves p and opens nothing.
func start(t testing.TB, p sdk.Plugin, instance, driver string) *Gateway {
	t.Helper()
	g := &Gateway{t: t, instance: instance, fakes: newFakes(), logs: &logBuffer{to: t.Output()}}
	lis := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(env.With(context.WithoutCancel(t.Context()), env.Env{
		Log: slog.New(slog.NewTextHandler(g.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: g.fakes.now,
	}))
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(pluginv1.Codec{}), grpc.MaxCallRecvMsgSize(4<<20)))
	if err != nil {
		t.Fatal(err)
	}
	g.plugin, g.link = pluginv1.NewPluginClient(conn), pluginv1.NewLinkClient(conn)
	g.stop = sync.OnceFunc(func() {
		g.wire.end()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		_ = conn.Close()
	})
	stream, err := g.link.Exchange(ctx)
	if err != nil {
		cancel()
		t.Fatalf("exchange: %v; serve: %v", err, <-served)
	}
	g.wire = newWire(stream, instance, g.fakes)
	t.Cleanup(g.stop)
	g.describe(driver)
	return g
}

func (g *Gateway) describe(driver string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := g.plugin.Describe(ctx, &pluginv1.HostInfo{HostVersion: "sdktest"})
	if err != nil {
		g.t.Fatalf("describe: %v", err)
	}
	g.manifest = m
	for _, d := range m.Drivers {
		if d.Name == driver {
			g.driver = d
			return
		}
	}
	g.t.Fatalf("plugin %s has no driver %q", m.PluginId, driver)
}

// open opens the instance with the next revision.
func (g *Gateway) open(ctx context.Context, settings any) (*pluginv1.InstanceState, error) {
	plain, secrets, err := g.split(settings)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.revision++
	spec := &pluginv1.InstanceSpec{
		Instance: g.instance, Driver: g.driver.Name, Revision: g.revision,
		Settings: plain, Secrets: secrets, DataDir: g.t.TempDir(),
		PublicUrl: "https://gateway.example/hooks/" + g.instance,
	}
	g.mu.Unlock()
	state, err := g.plugin.OpenInstance(ctx, spec)
	if err == nil && state.Ok {
		g.mu.Lock()
		g.caps = cmp.Or(state.Capabilities, g.driver.Capabilities)
		g.mu.Unlock()
	}
	return state, err
}

// Capabilities returns those of the instance, as its settings make them.
func (g *Gateway) Capabilities() *pluginv1.Capabilities {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.caps
}

// split takes the secrets out of settings, as the gateway does.
func (g *Gateway) split(settings any) ([]byte, map[string][]byte, error) {
	b, ok := settings.([]byte) // as they are: they may be no JSON
	if ok {
		return b, nil, nil
	}
	b, err := json.Marshal(settings)
	if err != nil {
		return nil, nil, fmt.Errorf("settings: %w", err)
	}
	var tree map[string]json.RawMessage
	if json.Unmarshal(b, &tree) != nil {
		return b, nil, nil
	}
	secrets := make(map[string][]byte)
	for _, name := range g.secretNames() {
		var v string
		if raw, set := tree[name]; set && json.Unmarshal(raw, &v) == nil {
			secrets[name] = []byte(v)
			delete(tree, name)
		}
	}
	b, err = json.Marshal(tree)
	return b, secrets, err
}

func (g *Gateway) secretNames() (names []string) {
	var schema struct {
		Properties map[string]struct {
			Secret bool `json:"x-secret"`
		}
	}
	if err := json.Unmarshal([]byte(g.driver.SettingsSchema), &schema); err != nil {
		return nil
	}
	for name, p := range schema.Properties {
		if p.Secret {
			names = append(names, name)
		}
	}
	return names
}

// Reconfigure replaces the settings of the instance, as when gateway.hcl is saved.
func (g *Gateway) Reconfigure(ctx context.Context, settings any) error {
	state, err := g.open(ctx, settings)
	if err != nil {
		return err
	}
	if !state.Ok {
		return fmt.Errorf("open %s: %s", g.instance, state.Message)
	}
	return nil
}

// Validate makes the live check of settings that are not saved.
func (g *Gateway) Validate(ctx context.Context, settings any) error {
	plain, secrets, err := g.split(settings)
	if err != nil {
		return err
	}
	ps, err := g.plugin.Validate(ctx, &pluginv1.ValidateRequest{
		Driver: g.driver.Name, Settings: plain, Secrets: secrets})
	if err != nil {
		return err
	}
	var lines []string
	for _, p := range ps.Problems {
		lines = append(lines, strings.TrimSpace(p.Pointer+" "+p.Message))
	}
	if len(lines) > 0 {
		return fmt.Errorf("settings: %s", strings.Join(lines, "; "))
	}
	return nil
}

// Activate lets the instance receive; Start has done so already. It undoes a
// [Gateway.Drain].
func (g *Gateway) Activate(ctx context.Context) {
	g.t.Helper()
	_, err := g.plugin.Activate(ctx, &pluginv1.ActivateRequest{Generation: 1, Instances: []string{g.instance}})
	if err != nil {
		g.t.Errorf("activate %s: %v", g.instance, err)
	}
}

// Drain makes the plugin stop receiving and finish what it has in hand, as
// before it is replaced. It returns how many calls have no answer within limit.
func (g *Gateway) Drain(ctx context.Context, limit time.Duration) int {
	g.t.Helper()
	r, err := g.plugin.Drain(ctx, &pluginv1.DrainRequest{DeadlineMs: uint32(limit.Milliseconds())})
	if err != nil {
		g.t.Errorf("drain: %v", err)
		return 0
	}
	return int(r.Unanswered)
}

// Trouble returns what the instance reports of its listener, "" if it is well.
func (g *Gateway) Trouble(ctx context.Context) string {
	g.t.Helper()
	r, err := g.plugin.CheckHealth(ctx, &pluginv1.HealthRequest{})
	if err != nil {
		g.t.Errorf("health: %v", err)
		return ""
	}
	for _, in := range r.Instances {
		if in.Instance == g.instance {
			return in.Message
		}
	}
	return ""
}

// Stop closes the instance and ends the plugin. The test's end does it too.
func (g *Gateway) Stop() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := g.plugin.CloseInstance(ctx, &pluginv1.InstanceRef{Instance: g.instance}); err != nil {
		g.t.Errorf("close %s: %v", g.instance, err)
	}
	g.stop()
}

// logBuffer keeps what the driver logs and shows it with the test.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	to   io.Writer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	return l.to.Write(b)
}

func (l *logBuffer) contains(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

// StartError is [Start] for settings that should be refused: it returns why
// they are, nil if they are taken.
func StartError(t testing.TB, p sdk.Plugin, instance, driver string, settings any) error {
	t.Helper()
	return start(t, p, instance, driver).Reconfigure(t.Context(), settings)
}
