package host_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// replace puts another plugin where one lies.
func (b *bench) replace(file, name string) {
	b.t.Helper()
	dropPlugin(b.t, b.dir, file, name, b.data)
}

// running returns what runs of a plugin id.
func (b *bench) running(id string) host.Plugin {
	for _, p := range b.h.Plugins() {
		if p.ID == id && p.PID != 0 {
			return p
		}
	}
	return host.Plugin{}
}

func (b *bench) awaitVersion(id, version string) {
	b.t.Helper()
	b.eventually(id+" "+version+" runs", func() bool {
		p := b.running(id)
		return p.Version == version && p.State == host.Running
	})
}

// TestSwapUnderLoad replaces a plugin ten times while 64 callers write: each
// call is answered, done once, and in its order.
func TestSwapUnderLoad(t *testing.T) {
	b := start(t, host.Timing{}, nil)
	b.replace("echo", "echo_1.0.0")
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
	b.eventually("instance is open", func() bool { return b.h.Instances()[0].State == host.Opened })
	const callers, swaps = 64, 10
	stop := make(chan struct{})
	counts := make([]int, callers)
	slowest := make([]time.Duration, callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			done := make(chan core.Fate, 2)
			for ; ; counts[c]++ {
				select {
				case <-stop:
					return
				default:
				}
				begin := time.Now()
				b.h.Call("i-echo", core.NewConversationID("i-echo", fmt.Sprint(c)), message(fmt.Sprintf("record %d.%d", c, counts[c])), time.Minute,
					func(_ *pluginv1.Result, f core.Fate) { done <- f })
				if f := <-done; f != core.Answered {
					t.Errorf("call %d.%d = %v, want Answered", c, counts[c], f)
					return
				}
				slowest[c] = max(slowest[c], time.Since(begin))
			}
		})
	}
	for n := range swaps {
		b.replace("echo", fmt.Sprintf("echo_1.%d.0", n+1))
		b.awaitVersion("test.echo", fmt.Sprintf("1.%d.0", n+1))
	}
	close(stop)
	all.Wait()
	b.eventually("ten swaps", func() bool { return len(b.running("test.echo").Swaps) == swaps })
	var gaps []time.Duration
	for _, s := range b.running("test.echo").Swaps {
		if s.Err != "" || s.Exclusive {
			t.Errorf("swap = %+v", s)
		}
		gaps = append(gaps, s.Gap)
	}
	slices.Sort(gaps)
	slices.Sort(slowest)
	if _, ups := b.core.seen(); !slices.Equal(ups, []string{"+i-echo"}) {
		t.Errorf("up and down = %v, want the engine to see nothing of it", ups)
	}
	b.stop()
	next := make([]int, callers)
	text, err := os.ReadFile(filepath.Join(b.data, "plugins", "work", "test.echo", "seen"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var c, n int
		fmt.Sscanf(line, "%d.%d", &c, &n)
		if n != next[c] {
			t.Fatalf("caller %d: call %d was done, want %d", c, n, next[c])
		}
		next[c]++
	}
	if !slices.Equal(next, counts) {
		t.Errorf("done %v\nanswered %v", next, counts)
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	t.Logf("%d calls, %d swaps: 0 lost, 0 twice, 0 out of order; gap p50 %s max %s; slowest call of the median caller %s, of all %s",
		total, swaps, gaps[len(gaps)/2], gaps[len(gaps)-1], slowest[callers/2], slowest[callers-1])
}

// TestConversationWaitsForItsOpenCall: after a swap a conversation's next call
// waits for the one the old process still has; other conversations do not.
func TestConversationWaitsForItsOpenCall(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	type answer struct {
		version string
		fate    core.Fate
	}
	call := func(conv byte, text string) <-chan answer {
		got := make(chan answer, 2)
		b.h.Call("i-echo", core.ConversationID{conv}, message(text), time.Hour,
			func(r *pluginv1.Result, f core.Fate) { got <- answer{r.GetCode(), f} })
		return got
	}
	first := call(1, "park")
	b.eventually("the old one has the call", func() bool { return b.log.line("msg=parking") != "" })
	b.replace("echo", "echo_2.0.0")
	b.awaitVersion("test.echo", "2.0.0")
	second, third := call(1, "hello"), call(1, "hello")
	if a := <-call(2, "hello"); a.version != "2.0.0" || a.fate != core.Answered {
		t.Errorf("another conversation's call = %v, want an answer of 2.0.0", a)
	}
	select {
	case a := <-second:
		t.Fatalf("second call = %v while the first is open", a)
	default:
	}
	b.allow()
	if a := <-first; a.version != "1.0.0" || a.fate != core.Answered {
		t.Errorf("first call = %v, want an answer of 1.0.0", a)
	}
	for _, c := range []<-chan answer{second, third} {
		if a := <-c; a.version != "2.0.0" || a.fate != core.Answered {
			t.Errorf("waiting call = %v, want an answer of 2.0.0", a)
		}
	}
}

// TestListenerMoves: the old process stops listening before the new one begins,
// and the engine sees nothing of the swap.
func TestListenerMoves(t *testing.T) {
	b := startSDK(t)
	b.eventually("it listens", func() bool { return len(b.diary()) == 1 })
	b.replace("sdk", "sdk_1.1.0")
	b.awaitVersion("test.sdk", "1.1.0")
	b.eventually("the new one listens", func() bool { return len(b.diary()) == 3 })
	b.call("i-sdk", "emit after the swap")
	b.eventually("its events are taken", func() bool {
		events, _ := b.core.seen()
		return slices.Contains(events, "i-sdk c2 after the swap")
	})
	d := b.diary()
	if !strings.HasPrefix(d[0], "begin ") || d[1] != strings.Replace(d[0], "begin", "end", 1) || !strings.HasPrefix(d[2], "begin ") || d[2] == d[0] {
		t.Errorf("diary %q, want the old to end before the new begins", d)
	}
	if _, ups := b.core.seen(); !slices.Equal(ups, []string{"+i-sdk"}) {
		t.Errorf("up and down = %v", ups)
	}
}

// diary returns what SDK plugins noted of their listeners.
func (b *bench) diary() []string {
	text, _ := os.ReadFile(filepath.Join(b.data, "diary")) // not there before the first note
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// rejected returns why a version does not run.
func (b *bench) rejected(id, version string) string {
	for _, p := range b.h.Plugins() {
		if p.ID == id && p.Version == version && p.State == host.Rejected {
			return p.Rejected
		}
	}
	return ""
}

// TestBadSuccessors: whatever is put where a plugin lies, the one that runs goes
// on.
func TestBadSuccessors(t *testing.T) {
	b := start(t, host.Timing{Start: 5 * time.Second}, nil)
	b.replace("echo", "schema_1.0.0_test.echo")
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
	b.eventually("instance is open", func() bool { return b.h.Instances()[0].State == host.Opened })
	pid := b.running("test.echo").PID
	tests := []struct{ name, want string }{
		{"garbage_2.0.0_test.echo", "instead of the handshake"},
		{"exit_2.0.0_test.echo", "no licence found"},
		{"dull_2.0.0_test.echo", "instance i-echo: wrong"},
		{"echo_2.0.0_test.echo", "state of schema 0"},
		{"nodriver_2.0.0_test.echo", `it has no driver "echo"`},
	}
	for _, tt := range tests {
		b.replace("echo", tt.name)
		b.eventually(tt.name+" is refused", func() bool {
			for _, p := range b.h.Plugins() {
				if strings.Contains(p.Rejected+p.LastError, tt.want) && p.PID == 0 {
					return true
				}
			}
			return false
		})
		if r, fate := b.call("i-echo", "hello"); fate != core.Answered || r.GetCode() != "1.0.0" {
			t.Errorf("%s: call = %v, %v, want an answer of 1.0.0", tt.name, r, fate)
		}
	}
	if p := b.running("test.echo"); p.PID != pid {
		t.Errorf("running = %+v, want process %d to go on", p, pid)
	}
	if _, ups := b.core.seen(); !slices.Equal(ups, []string{"+i-echo"}) {
		t.Errorf("up and down = %v", ups)
	}
}

// TestRemovalAndReturn: a plugin stops when its file goes, falls back to another
// one that offers it, and returns.
func TestRemovalAndReturn(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo_1.0.0", "echo_2.0.0"}, "echo")
	b.awaitVersion("test.echo", "2.0.0")
	remove := func(file string) {
		t.Helper()
		if err := os.Remove(filepath.Join(b.dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	remove("echo_2.0.0")
	b.awaitVersion("test.echo", "1.0.0")
	if _, ups := b.core.seen(); !slices.Equal(ups, []string{"+i-echo"}) {
		t.Errorf("up and down = %v, want none of it for a fall back", ups)
	}
	pid := b.running("test.echo").PID
	remove("echo_1.0.0")
	b.eventually("it stops", func() bool { return b.running("test.echo").PID == 0 && !alive(pid) })
	if _, fate := b.call("i-echo", "hello"); fate != core.NoPlugin {
		t.Errorf("call = %v, want NoPlugin", fate)
	}
	if s := b.h.Instances()[0]; s.State != host.Waiting {
		t.Errorf("instance = %+v, want waiting", s)
	}
	b.drop("echo_1.0.0")
	b.eventually("it returns", func() bool {
		_, fate := b.call("i-echo", "hello")
		return fate == core.Answered
	})
}

// TestVanishedDirectory is an alarm and stops nothing.
func TestVanishedDirectory(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	if err := os.Rename(b.dir, b.dir+".away"); err != nil {
		t.Fatal(err)
	}
	b.eventually("alarm", func() bool {
		return slices.ContainsFunc(b.h.Alarms(), func(a host.Alarm) bool { return a.Dir == b.dir })
	})
	if _, fate := b.call("i-echo", "hello"); fate != core.Answered {
		t.Errorf("call = %v, want Answered", fate)
	}
	if err := os.Rename(b.dir+".away", b.dir); err != nil {
		t.Fatal(err)
	}
	b.eventually("no alarm", func() bool {
		return !slices.ContainsFunc(b.h.Alarms(), func(a host.Alarm) bool { return a.Dir == b.dir })
	})
	if p := b.running("test.echo"); p.Restarts != 0 {
		t.Errorf("plugin = %+v, want no restart", p)
	}
}

// TestTruncatedBinary: what somebody has not copied completely is not run, and
// what ran before goes on.
func TestTruncatedBinary(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	pid := b.running("test.echo").PID
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(b.dir, ".part")
	if err := os.WriteFile(tmp, program[:len(program)*98/100], 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(b.dir, "echo")); err != nil {
		t.Fatal(err)
	}
	b.eventually("it is told", func() bool { p := b.plugin("echo"); return p.File != "ready" && p.FileReason != "" })
	if p := b.running("test.echo"); p.PID != pid || p.Version != "1.0.0" {
		t.Errorf("running = %+v, want process %d to go on", p, pid)
	}
	if _, fate := b.call("i-echo", "hello"); fate != core.Answered {
		t.Errorf("call = %v, want Answered", fate)
	}
}

// TestBadInstanceHoldsUpNobody: an instance that is not open on the old version
// need not be on the new one, and does not hurt the others.
func TestBadInstanceHoldsUpNobody(t *testing.T) {
	b := start(t, host.Timing{}, nil)
	b.replace("echo", "echo_1.0.0")
	b.h.SetInstances([]host.Instance{
		{Name: "i-echo", Driver: "echo", Revision: 1},
		{Name: "i-bad", Driver: "echo", Revision: 1, Settings: []byte(`{"size":"big"}`)},
	})
	b.eventually("one is open, one is not", func() bool {
		all := b.h.Instances()
		return all[0].State == host.Refused && all[1].State == host.Opened
	})
	b.replace("echo", "echo_2.0.0")
	b.awaitVersion("test.echo", "2.0.0")
	if r, fate := b.call("i-echo", "hello"); fate != core.Answered || r.GetCode() != "2.0.0" {
		t.Errorf("call = %v, %v, want an answer of 2.0.0", r, fate)
	}
	if s := b.h.Instances()[0]; s.State != host.Refused {
		t.Errorf("bad instance = %+v", s)
	}
	if _, ups := b.core.seen(); !slices.Equal(ups, []string{"+i-echo"}) {
		t.Errorf("up and down = %v", ups)
	}
}

// TestSuccessorThatIsNotReadyYet is not rejected, but tried again later: its
// vendor may only be away for a while.
func TestSuccessorThatIsNotReadyYet(t *testing.T) {
	for mode, why := range map[string]string{"shy": "the vendor is away", "slow": "health: context deadline exceeded"} {
		t.Run(mode, func(t *testing.T) { notReadyYet(t, mode, why) })
	}
}

func notReadyYet(t *testing.T, mode, why string) {
	b := start(t, host.Timing{Prepare: 200 * time.Millisecond, Again: 20 * time.Millisecond}, nil)
	b.replace("echo", "echo_1.0.0")
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
	b.awaitVersion("test.echo", "1.0.0")
	b.eventually("open", func() bool { return b.h.Instances()[0].State == host.Opened })
	b.replace("echo", mode+"_2.0.0_test.echo")
	b.eventually("a word of it", func() bool { return b.log.line("cannot take over yet", why) != "" })
	if r, fate := b.call("i-echo", "hello"); fate != core.Answered || r.GetCode() != "1.0.0" {
		t.Errorf("call = %v, %v, want an answer of 1.0.0", r, fate)
	}
	b.allow()
	b.awaitVersion("test.echo", "2.0.0")
	if _, ups := b.core.seen(); !slices.Equal(ups, []string{"+i-echo"}) {
		t.Errorf("up and down = %v", ups)
	}
}

// TestStopInTheMiddleOfASwap does not wait for a drain as long as a swap does.
func TestStopInTheMiddleOfASwap(t *testing.T) {
	b := start(t, host.Timing{Drain: time.Hour, Stop: 200 * time.Millisecond}, []string{"echo"}, "echo")
	got := make(chan core.Fate, 2)
	b.h.Call("i-echo", core.ConversationID{1}, message("park"), time.Hour, func(_ *pluginv1.Result, f core.Fate) { got <- f })
	b.eventually("the old one has the call", func() bool { return b.log.line("msg=parking") != "" })
	b.replace("echo", "echo_2.0.0")
	b.awaitVersion("test.echo", "2.0.0")
	b.h.Call("i-echo", core.ConversationID{1}, message("hello"), time.Hour, func(_ *pluginv1.Result, f core.Fate) { got <- f })
	if took := b.stop(); took > time.Minute {
		t.Errorf("stop took %s", took)
	}
	lost, not := 0, 0
	for range 2 {
		switch <-got {
		case core.Lost:
			lost++
		case core.NoPlugin, core.NotSent:
			not++
		}
	}
	if lost != 1 || not != 1 {
		t.Errorf("%d calls lost, %d not sent, want the old one's to be lost and the waiting one not to be sent", lost, not)
	}
}

// TestWaysToReplace: however a new version comes to lie there, the old one serves
// until it takes over.
func TestWaysToReplace(t *testing.T) {
	b := start(t, host.Timing{Absent: time.Hour}, nil)
	b.replace("echo", "echo_1.0.0")
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
	b.eventually("open", func() bool { return b.h.Instances()[0].State == host.Opened })
	path, tmp := filepath.Join(b.dir, "echo"), filepath.Join(b.dir, ".next")
	for n, put := range map[string]func(text []byte) error{
		"mv":      func([]byte) error { return os.Rename(tmp, path) },
		"cp over": func(text []byte) error { return os.WriteFile(path, text, 0o700) },
		"install": func(text []byte) error { return errors.Join(os.Remove(path), os.WriteFile(path, text, 0o700)) },
		"cp and chmod": func(text []byte) error {
			return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, text, 0o600), os.Chmod(path, 0o700))
		},
	} {
		version := fmt.Sprintf("1.%d.0", len(n))
		dropPlugin(t, b.dir, ".next", "echo_"+version, b.data)
		text, err := os.ReadFile(tmp)
		if err != nil {
			t.Fatal(err)
		}
		if err := put(text); err != nil {
			t.Fatal(err)
		}
		b.awaitVersion("test.echo", version)
		if r, fate := b.call("i-echo", "hello"); fate != core.Answered || r.GetCode() != version {
			t.Errorf("%s: call = %v, %v, want an answer of %s", n, r, fate, version)
		}
	}
	if _, ups := b.core.seen(); !slices.Equal(ups, []string{"+i-echo"}) {
		t.Errorf("up and down = %v", ups)
	}
}
