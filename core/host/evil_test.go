package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/host/sandbox"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// evil does what a hostile plugin might, in the place of an instance.
func (p *testPlugin) evil(arg string) {
	what, instance, _ := strings.Cut(arg, " ")
	inbound := func(text string) *pluginv1.PluginFrame {
		return &pluginv1.PluginFrame{Instance: instance, Body: &pluginv1.PluginFrame_Inbound{Inbound: &pluginv1.Inbound{
			Events: []*pluginv1.Event{{Type: "customer_message", Customer: &pluginv1.Customer{Address: "c1"}, Text: text}}}}}
	}
	switch what {
	case "forge":
		_ = p.send(&pluginv1.PluginBatch{Frames: []*pluginv1.PluginFrame{
			inbound("forged"),
			{Instance: instance, Body: &pluginv1.PluginFrame_Health{Health: &pluginv1.InstanceHealth{Instance: instance, Message: "forged"}}},
			{Instance: instance, ReplyTo: 1 << 40, Body: &pluginv1.PluginFrame_Result{Result: &pluginv1.Result{}}},
		}})
	case "huge": // one message over the limit
		_ = p.send(&pluginv1.PluginBatch{Frames: []*pluginv1.PluginFrame{inbound(strings.Repeat("x", 5<<20))}})
	case "flood": // without end, reading nothing, and answering every ping that may ever come
		for err := error(nil); err == nil; {
			err = p.send(&pluginv1.PluginBatch{Pong: 1 << 60, Frames: []*pluginv1.PluginFrame{inbound("a"), inbound("b"), inbound("c")}})
		}
	case "calls": // the same, of the gateway's methods
		call := &pluginv1.HostCall{Op: &pluginv1.HostCall_StateGet{StateGet: &pluginv1.StateGet{Key: "k"}}}
		for err := error(nil); err == nil; {
			err = p.send(&pluginv1.PluginBatch{Pong: 1 << 60, Frames: []*pluginv1.PluginFrame{
				{Instance: instance, Body: &pluginv1.PluginFrame_Call{Call: call}}}})
		}
	}
}

// evilManifest spoils what a plugin says of itself.
func evilManifest(mode string, m *pluginv1.Manifest) *pluginv1.Manifest {
	switch mode {
	case "mute":
		time.Sleep(time.Hour) // somebody has to end it
	case "huge":
		m.Drivers[0].SettingsSchema = `{"description":"` + strings.Repeat("x", 5<<20) + `"}`
	}
	return m
}

// TestEvilDescriptions: a plugin that says too much, nothing, or a name that is
// a path is refused, and nobody else is hurt.
func TestEvilDescriptions(t *testing.T) {
	tests := []struct{ name, want string }{
		{"mute", "deadline exceeded"},
		{"huge", "larger than max"},
		{"echo_1.0.0_../../escape", "is not a name such as"},
		{"echo_1.0.0_/tmp/escape", "is not a name such as"},
		{"echo_1.0.0_..", "is not a name such as"},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.name), func(t *testing.T) {
			timing, dir, data := host.Timing{}, t.TempDir(), t.TempDir()
			if tt.name == "mute" {
				timing.Describe = 3 * time.Second
			}
			dropPlugin(t, dir, "evil", tt.name, data)
			b := startIn(t, dir, data, timing, []string{"other"}, "other")
			b.eventually("it is refused", func() bool { return strings.Contains(b.plugin("evil").LastError, tt.want) })
			b.eventually("the other plugin answers", func() bool { _, fate := b.call("i-other", "hello"); return fate == core.Answered })
			if p := b.plugin("evil"); p.State == host.Running || p.ID != "" {
				t.Errorf("plugin = %+v, want none that runs or has an id", p)
			}
			if all, err := filepath.Glob(filepath.Join(filepath.Dir(data), "*escape*")); err != nil || len(all) > 0 {
				t.Errorf("outside of the data folder: %v, %v", all, err)
			}
		})
	}
}

// TestForgery: a plugin speaks for its own instances only.
func TestForgery(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo", "other"}, "echo", "other")
	for _, instance := range []string{"i-other", "i-nobody", ""} {
		if _, fate := b.call("i-echo", "evil forge "+instance); fate != core.Answered {
			t.Fatalf("call = %v, want Answered", fate)
		}
		b.eventually("its events are refused", func() bool {
			return b.log.line("false", fmt.Sprintf("instance \\\"%s\\\" is not open for this plugin", instance)) != ""
		})
	}
	if events, _ := b.core.seen(); len(events) != 0 {
		t.Errorf("accepted: %q", events)
	}
	for _, i := range b.h.Instances() {
		if !i.Healthy || strings.Contains(i.Message, "forged") {
			t.Errorf("instance = %+v, want one that is well", i)
		}
	}
	if _, fate := b.call("i-other", "hello"); fate != core.Answered {
		t.Errorf("call of the other plugin = %v, want Answered", fate)
	}
}

// TestEvilStreams: what is too large or never ends costs a plugin its process,
// and nobody else anything.
func TestEvilStreams(t *testing.T) {
	for what, want := range map[string]string{
		"huge": "larger than max", "flood": "does not read the answers", "calls": "does not read the answers",
	} {
		t.Run(what, func(t *testing.T) {
			b := start(t, host.Timing{}, []string{"echo", "other"}, "echo", "other")
			pid, other := b.plugin("echo").PID, b.plugin("other").PID
			got := make(chan core.Fate, 2)
			b.h.Call("i-echo", core.NewConversationID("i-echo", "c1"), message("evil "+what+" i-echo"), time.Minute,
				func(_ *pluginv1.Result, f core.Fate) { got <- f })
			b.eventually("it is replaced", func() bool { p := b.plugin("echo"); return p.State == host.Running && p.PID != pid })
			if fate := <-got; fate != core.Lost && what != "huge" {
				t.Errorf("call in hand = %v, want Lost", fate)
			}
			if p := b.plugin("echo"); !strings.Contains(p.LastError, want) || p.Crashes != 1 {
				t.Errorf("plugin = %q, %d crashes; want %q, 1", p.LastError, p.Crashes, want)
			}
			b.eventually("it serves again", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
			if _, fate := b.call("i-other", "hello"); fate != core.Answered || b.plugin("other").PID != other {
				t.Errorf("the other plugin: %v, %+v", fate, b.plugin("other"))
			}
		})
	}
}

// TestHostsEnvironmentIsClosed: with the sandbox a plugin cannot read the
// environment of the gateway's process either.
func TestHostsEnvironmentIsClosed(t *testing.T) {
	t.Setenv("SECRET_OF_HOST", "hunter2")
	dir := t.TempDir()
	dropFolder(t, dir, "echo")
	b := startWith(t, dir, t.TempDir(), host.Timing{}, host.Config{Sandbox: true}, nil, "echo")
	b.eventually("it serves", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
	report := b.running("test.echo").Sandbox
	if !report.Entry(sandbox.LandlockFS).On {
		t.Skip("no Landlock here: " + report.Entry(sandbox.LandlockFS).Detail)
	}
	for _, file := range []string{"environ", "maps", "fd/0", "root/etc/shadow"} {
		r, _ := b.call("i-echo", fmt.Sprintf("read /proc/%d/%s", os.Getpid(), file))
		if !strings.Contains(r.GetDetail(), "permission denied") {
			t.Errorf("reading the gateway's %s: %q, want permission denied", file, r.GetDetail())
		}
	}
}

// TestCopyRuns: what was checked is what runs, also after a crash: the file may
// be another one by then.
func TestCopyRuns(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	before := b.plugin("echo")
	if err := os.WriteFile(filepath.Join(b.dir, "echo"), []byte("\x7fELF, and no more of it"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.eventually("it runs again", func() bool {
		p := b.running("test.echo")
		return p.PID != 0 && p.PID != before.PID && p.State == host.Running
	})
	if p := b.running("test.echo"); p.Digest != before.Digest {
		t.Errorf("digest = %s, want that of the file before, %s", p.Digest, before.Digest)
	}
	b.eventually("it serves", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
}

// TestForeignAddress: the gateway connects to a socket that the plugin has made
// in its own folder, and to nothing else that it names.
func TestForeignAddress(t *testing.T) {
	for name, address := range map[string]string{
		"tcp":       "tcp|127.0.0.1:22",
		"elsewhere": "unix|/run/docker.sock",
		"up":        "unix|$PLUGIN_UNIX_SOCKET_DIR/../sock",
		"below":     "unix|$PLUGIN_UNIX_SOCKET_DIR/x/sock",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			script := fmt.Sprintf("#!/bin/sh\necho \"1|%d|%s|grpc\"\nexec sleep 60\n", pluginv1.ProtocolVersion, address)
			if err := os.WriteFile(filepath.Join(dir, "evil"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			b := startDir(t, dir, host.Timing{}, []string{"other"}, "other")
			b.eventually("it is refused", func() bool {
				return strings.Contains(b.plugin("evil").LastError, "want a unix socket in PLUGIN_UNIX_SOCKET_DIR")
			})
			b.eventually("the other plugin answers", func() bool { _, fate := b.call("i-other", "hello"); return fate == core.Answered })
		})
	}
}
