package host_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// startExclusive starts a plugin that owns a port: see sdkChannel.Bind. For the
// versions in taken another program has it.
func startExclusive(t *testing.T, taken ...string) *bench {
	t.Helper()
	b := start(t, host.Timing{}, nil)
	for _, version := range append(taken, "") {
		if err := os.Mkdir(filepath.Join(b.data, "port"+version), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.replace("sdk", "xsdk_1.0.0")
	b.h.SetInstances([]host.Instance{{Name: "i-sdk", Driver: "sdk", Revision: 1,
		Secrets: map[string][]byte{"token": []byte("hunter2")}}})
	return b
}

// TestExclusiveHandover: a plugin that owns what only one process can have lets
// go before the new one takes it, and what is called meanwhile finds no plugin.
func TestExclusiveHandover(t *testing.T) {
	b := startExclusive(t)
	b.eventually("it listens", func() bool { return len(b.diary()) == 1 })
	b.replace("sdk", "xsdk_1.1.0")
	b.awaitVersion("test.sdk", "1.1.0")
	b.eventually("the new one listens", func() bool { return len(b.diary()) == 3 })
	if d := b.diary(); d[1] != strings.Replace(d[0], "begin", "end", 1) || d[2] == d[0] {
		t.Errorf("diary %q, want the old to end before the new begins", d)
	}
	if line := b.log.line("listener ended"); line != "" {
		t.Errorf("the new process could not have the socket: %s", line)
	}
	if _, ups := b.core.seen(); !slices.Equal(ups, []string{"+i-sdk", "-i-sdk", "+i-sdk"}) {
		t.Errorf("up and down = %v", ups)
	}
	b.eventually("swap is reported", func() bool { return len(b.running("test.sdk").Swaps) == 1 })
	s := b.running("test.sdk").Swaps[0]
	if !s.Exclusive || s.Gap <= 0 || s.From != "1.0.0" || s.To != "1.1.0" {
		t.Errorf("swap = %+v", s)
	}
	if r, fate := b.call("i-sdk", "hello"); fate != core.Answered {
		t.Errorf("call after the handover = %v, %v", r, fate)
	}
	t.Logf("exclusive gap %s", s.Gap)
}

// TestExclusiveSuccessorDoesNotActivate: the old process goes on.
func TestExclusiveSuccessorDoesNotActivate(t *testing.T) {
	b := start(t, host.Timing{}, nil)
	b.replace("echo", "xecho_1.0.0_test.x")
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
	b.eventually("instance is open", func() bool { return b.h.Instances()[0].State == host.Opened })
	pid := b.running("test.x").PID
	b.replace("echo", "xdeaf_2.0.0_test.x")
	b.eventually("rejection", func() bool { return b.rejected("test.x", "2.0.0") != "" })
	b.eventually("the old one is open again", func() bool { return b.h.Instances()[0].State == host.Opened })
	if r, fate := b.call("i-echo", "hello"); fate != core.Answered || r.GetCode() != "1.0.0" {
		t.Errorf("call = %v, %v, want an answer of 1.0.0", r, fate)
	}
	if p := b.running("test.x"); p.PID != pid {
		t.Errorf("running = %+v, want process %d to go on", p, pid)
	}
	if why := b.rejected("test.x", "2.0.0"); !strings.Contains(why, "i-echo") {
		t.Errorf("rejected because %q, want the instance named", why)
	}
}

// TestExclusiveSuccessorCannotBind: a new version that cannot have the port goes
// back to the old one, which has let go of it by then and takes it again.
func TestExclusiveSuccessorCannotBind(t *testing.T) {
	b := startExclusive(t, "1.1.0")
	b.eventually("it listens", func() bool { return len(b.diary()) == 1 })
	b.replace("sdk", "xsdk_1.1.0")
	b.eventually("rejection", func() bool { return b.rejected("test.sdk", "1.1.0") != "" })
	if why := b.rejected("test.sdk", "1.1.0"); !strings.Contains(why, "i-sdk") || !strings.Contains(why, "the port is taken") {
		t.Errorf("rejected because %q, want the instance and its error", why)
	}
	b.eventually("the old one listens again", func() bool { return len(b.diary()) == 3 })
	if d := b.diary(); d[2] != d[0] {
		t.Errorf("diary %q, want the same process to listen again", d)
	}
	b.eventually("instance is open", func() bool { return b.h.Instances()[0].State == host.Opened })
	if r, fate := b.call("i-sdk", "hello"); fate != core.Answered || r.GetOutcome() != pluginv1.Outcome_OK {
		t.Errorf("call = %v, %v, want an answer", r, fate)
	}
}

// TestExclusiveSuccessorOfUnbound: a port that the old version has not got either
// does not keep a new one out.
func TestExclusiveSuccessorOfUnbound(t *testing.T) {
	b := startExclusive(t, "1.0.0", "1.1.0")
	b.eventually("it says what is wrong", func() bool { return b.h.Instances()[0].Message == "the port is taken" })
	b.replace("sdk", "xsdk_1.1.0")
	b.awaitVersion("test.sdk", "1.1.0")
	b.eventually("instance is open", func() bool { return b.h.Instances()[0].State == host.Opened })
	if err := os.Remove(filepath.Join(b.data, "port1.1.0")); err != nil {
		t.Fatal(err)
	}
	b.eventually("it listens once the port is free", func() bool { return len(b.diary()) == 1 })
}

// TestWebhooksWhileExclusiveSettingsChange: none is refused, although the plugin
// closes the instance before it opens it with the next settings.
func TestWebhooksWhileExclusiveSettingsChange(t *testing.T) {
	b := startExclusive(t)
	b.eventually("instance is open", func() bool { return b.h.Instances()[0].State == host.Opened })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	var answered atomic.Int64
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				a, err := b.h.Webhook(t.Context(), "i-sdk", &pluginv1.WebhookRequest{Method: "POST", Body: []byte("hi")})
				if err != nil || a.Status != 202 {
					t.Errorf("webhook: status %d, %v", a.GetStatus(), err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for revision := uint64(2); revision < 12; revision++ {
		b.h.SetInstances([]host.Instance{{Name: "i-sdk", Driver: "sdk", Revision: revision,
			Secrets: map[string][]byte{"token": []byte("hunter2")}}})
		b.eventually("settings are in force", func() bool {
			s := b.h.Instances()[0]
			return s.State == host.Opened && s.Revision == revision
		})
		before := answered.Load()
		b.eventually("webhooks come through", func() bool { return answered.Load() > before+10 || ctx.Err() != nil })
	}
	stop()
	callers.Wait()
}

// TestUnboundInstanceTakesSockets: its own port is not the only way to it.
func TestUnboundInstanceTakesSockets(t *testing.T) {
	b := startExclusive(t, "1.0.0")
	b.eventually("it says what is wrong", func() bool { return b.h.Instances()[0].Message == "the port is taken" })
	b.talk("i-sdk", "abc", func() {})
	if err := os.Remove(filepath.Join(b.data, "port1.0.0")); err != nil {
		t.Fatal(err)
	}
	b.eventually("it listens once the port is free", func() bool { return len(b.diary()) == 1 })
}
