package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestHostileOutput(t *testing.T) {
	b := start(t, host.Timing{}, []string{"hostile"}, "hostile")
	if _, fate := b.call("i-hostile", "hello"); fate != core.Answered {
		t.Fatalf("call = %v, want Answered", fate)
	}
	for what, texts := range map[string][]string{
		"wrong types stay raw text":   {`@level`, "stream=stderr"},
		"a good line is structured":   {`msg="good line"`, "level=WARN", "n=7", `nested="{\"a\":1}"`, "generation="},
		"a panic is an error":         {`msg="panic: made up"`, "level=ERROR"},
		"and so is its stack":         {`msg="goroutine 1 [running]:"`, "level=ERROR"},
		"standard output is a log":    {`msg="garbage after the handshake"`, "stream=stdout", "plugin="},
		"an endless line is cut once": {"yyyy", "cut=true"},
	} {
		b.eventually(what, func() bool { return b.log.line(texts...) != "" })
	}
	if line := b.log.line("forged"); line != "" {
		t.Errorf("the plugin could forge an attribute: %s", line)
	}
	cut := map[string]int{} // by process: an unknown program is started twice
	for line := range strings.Lines(b.log.String()) {
		if strings.Contains(line, "cut=true") {
			_, pid, _ := strings.Cut(line, " pid=")
			pid, _, _ = strings.Cut(pid, " ")
			cut[pid]++
		}
	}
	for pid, n := range cut {
		if n != 1 {
			t.Errorf("%d cut lines of an endless one of process %s, want 1", n, pid)
		}
	}
	if p := b.plugin("hostile"); p.State != host.Running || p.Restarts != 0 {
		t.Errorf("plugin = %+v, want running without restarts", p)
	}
}

func TestStartProblems(t *testing.T) {
	tests := []struct{ mode, want string }{
		{"exit", "ended without the handshake of a plugin (exit status 3): no licence found"},
		{"hang", "no handshake within 3s"},
		{"garbage", `standard output begins with "Hello, I am a plugin!" instead of the handshake`},
		{"longline", `standard output begins with "xxx`},
		{"cookie", "ended without the handshake of a plugin (exit status 1): load any plugins automatically"},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			timing := host.Timing{}
			if tt.mode == "hang" {
				timing.Start = 3 * time.Second
			}
			b := start(t, timing, []string{tt.mode, "echo"}, "echo")
			p := b.plugin(tt.mode)
			if p.State != host.Backoff && p.State != host.Failed || !strings.Contains(p.LastError, tt.want) {
				t.Errorf("plugin = %s %q, want error %q", p.State, p.LastError, tt.want)
			}
			b.eventually("it is in the log", func() bool { return b.log.line("plugin does not start", tt.mode) != "" })
			b.eventually("the other plugin answers", func() bool { // it, too, had little time to start
				_, fate := b.call("i-echo", "hello")
				return fate == core.Answered
			})
		})
	}
}

func TestNoProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("no program\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b := startDir(t, dir, host.Timing{}, nil)
	p := b.plugin("text")
	if p.State != host.Stopped || p.File != "refused" || !strings.Contains(p.FileReason, "program") {
		t.Errorf("plugin = %+v, want refused because it is no program", p)
	}
}

// TestHangingPluginHoldsUpNobody starts a plugin that never says what it is.
func TestHangingPluginHoldsUpNobody(t *testing.T) {
	b := start(t, host.Timing{Start: time.Hour, Gather: 10 * time.Millisecond, Boot: 20 * time.Millisecond},
		[]string{"hang", "echo"}, "echo")
	b.eventually("the other one is up", func() bool {
		_, fate := b.call("i-echo", "hello")
		return fate == core.Answered
	})
	if p := b.plugin("hang"); p.State != host.Starting {
		t.Errorf("hanging plugin = %+v, want starting", p)
	}
	if took := b.stop(); took > time.Minute {
		t.Errorf("stop took %s because of a start", took)
	}
}

// TestHigherVersionTakesOver has a better file of a running plugin start late.
func TestHigherVersionTakesOver(t *testing.T) {
	const late = "late_2.0.0_test.echo"
	b := start(t, host.Timing{Trial: 100 * time.Millisecond}, []string{"echo", late}, "echo")
	if p := b.plugin("echo"); p.State != host.Running {
		t.Fatalf("lower version = %+v, want running while the higher one does not start", p)
	}
	got := make(chan core.Fate, 1)
	b.hold("i-echo", got)
	b.allow()
	b.eventually("higher version runs", func() bool { return b.plugin(late).State == host.Running })
	if p := b.plugin("echo"); p.State != host.Standby || p.PID != 0 {
		t.Errorf("lower version = %+v, want standby", p)
	}
	if fate := <-got; fate != core.Answered {
		t.Errorf("call in hand = %v, want Answered", fate)
	}
	a, err := b.h.Webhook(t.Context(), "i-echo", &pluginv1.WebhookRequest{})
	if err != nil || a.Status != 200 {
		t.Errorf("webhook = %v, %v, want 200 from the new version", a, err)
	}
}

func TestFloodOfLogLines(t *testing.T) {
	begin := time.Now()
	b := start(t, host.Timing{}, []string{"flood"})
	b.eventually("lines are dropped", func() bool {
		return b.metric("gateway_plugin_log_lines_dropped_total", "test.flood") > 0
	})
	b.stop()
	if b.log.line("too many log lines", "lines=") == "" {
		t.Error("nothing says that lines were dropped")
	}
	n, seconds := strings.Count(b.log.String(), `msg="line `), int(time.Since(begin).Seconds())+2
	if n > 2*1000*seconds { // an unknown program is started twice
		t.Errorf("%d lines were logged in less than %d s", n, seconds)
	}
}

func TestSocketFolderIsTooLong(t *testing.T) {
	h := host.New(host.Config{DataDir: t.TempDir(), SocketDir: "/tmp/" + strings.Repeat("long", 20),
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Core: &fakeCore{}})
	if err := h.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "at most 64") {
		t.Errorf("Open = %v, want an error that names the limit", err)
	}
}

func TestNoHostEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_HOST", "hunter2")
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	r, _ := b.call("i-echo", "env")
	if strings.Contains(r.GetDetail(), "SECRET_OF_HOST") || !strings.Contains(r.GetDetail(), "PATH=/usr/local/bin:/usr/bin:/bin") {
		t.Errorf("environment of the plugin:\n%s", r.GetDetail())
	}
}

func TestStoppedProcessIsStoppedInTime(t *testing.T) {
	b := start(t, host.Timing{Stop: time.Second, Shutdown: 200 * time.Millisecond, Term: 200 * time.Millisecond},
		[]string{"echo", "other"}, "echo")
	pid := b.plugin("echo").PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if took := b.stop(); took > time.Minute {
		t.Errorf("stop took %s", took)
	}
	if alive(pid) {
		t.Error("the process still lives")
	}
}

func TestWedgedProcessIsRestarted(t *testing.T) {
	b := start(t, host.Timing{Ping: 500 * time.Millisecond, Health: time.Hour}, []string{"echo"}, "echo")
	var pid int // on a very busy machine it may have been restarted before
	b.eventually("the process stops", func() bool {
		pid = b.plugin("echo").PID
		return pid > 1 && syscall.Kill(pid, syscall.SIGSTOP) == nil
	})
	b.eventually("restart", func() bool {
		p := b.plugin("echo")
		return p.Restarts >= 1 && p.State == host.Running && p.PID != pid
	})
	if alive(pid) {
		t.Error("the wedged process still lives")
	}
	if p := b.plugin("echo"); !strings.Contains(p.LastError, "wedged") {
		t.Errorf("last error = %q, want wedged", p.LastError)
	}
}

func TestSickPluginIsRestarted(t *testing.T) {
	b := start(t, host.Timing{Health: 20 * time.Millisecond}, []string{"sick"}, "sick")
	b.eventually("restart", func() bool { return b.plugin("sick").Restarts >= 1 })
	if p := b.plugin("sick"); !strings.Contains(p.LastError, "unhealthy") {
		t.Errorf("last error = %q, want unhealthy", p.LastError)
	}
}

func TestGrandchildDoesNotHideTheCrash(t *testing.T) {
	b := start(t, host.Timing{}, []string{"grandchild"}, "grandchild")
	b.eventually("grandchild", func() bool { return b.log.line("grandchild ") != "" })
	_, after, _ := strings.Cut(b.log.line(`msg="grandchild `), `msg="grandchild `)
	digits, _, _ := strings.Cut(after, `"`)
	child, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatalf("pid of the grandchild: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) })
	begin := time.Now()
	kill9(t, b.plugin("grandchild").PID)
	b.eventually("restart", func() bool { return b.plugin("grandchild").Restarts == 1 })
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("restart took %s while a grandchild holds the pipes", took)
	}
}

func TestStopFinishesWhatIsInHand(t *testing.T) {
	b := start(t, host.Timing{Stop: time.Hour}, []string{"echo"}, "echo")
	got := make(chan core.Fate, 1)
	b.hold("i-echo", got)
	if took := b.stop(); took > time.Minute {
		t.Errorf("stop took %s, want it to wait for the call and little more", took)
	}
	if fate := <-got; fate != core.Answered {
		t.Errorf("call in hand at the stop = %v, want Answered", fate)
	}
	if _, fate := b.call("i-echo", "hello"); fate != core.NoPlugin {
		t.Errorf("call after the stop = %v, want NoPlugin", fate)
	}
}

func TestCrashAnswersTheCaller(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	if r, fate := b.call("i-echo", "crash"); fate != core.Lost || r != nil {
		t.Errorf("call that crashes the plugin = %v, %v, want Lost", r, fate)
	}
	// The webhook waits for the restart.
	a, err := b.h.Webhook(t.Context(), "i-echo", &pluginv1.WebhookRequest{Body: []byte("x")})
	if err != nil || a.Status != 200 {
		t.Errorf("webhook during the restart = %v, %v, want 200", a, err)
	}
	b.eventually("the panic is in the log", func() bool {
		return b.log.line("panic: asked to", "level=ERROR", "plugin=test.echo", "generation=") != ""
	})
	b.eventually("up, down and up again", func() bool { // it serves a moment before it says so
		_, ups := b.core.seen()
		return slices.Equal(ups, []string{"+i-echo", "-i-echo", "+i-echo"})
	})
	p := b.plugin("echo")
	if want := "process ended (exit status 2): panic: asked to"; p.LastError != want {
		t.Errorf("last error = %q, want %q", p.LastError, want)
	}
	if up, n := b.metric("gateway_plugin_up", "test.echo"), b.metric("gateway_plugin_restarts_total", "test.echo"); up != 1 || n != 1 {
		t.Errorf("up = %v, restarts = %v, want 1 and 1", up, n)
	}
	if !slices.Contains(p.Log, "panic: asked to") {
		t.Errorf("last lines = %q, want the panic among them", p.Log)
	}
}

func TestWebhookGivesUpWithoutPlugin(t *testing.T) {
	b := start(t, host.Timing{Hook: 50 * time.Millisecond}, []string{"exit"}, "exit")
	_, err := b.h.Webhook(t.Context(), "i-exit", &pluginv1.WebhookRequest{})
	if core.CodeOf(err) != core.Unavailable {
		t.Errorf("webhook = %v, want unavailable", err)
	}
}

// TestKillUnderLoad shows that each call ends once and truly: what was
// answered has been done, what is said not to have been sent has not.
func TestKillUnderLoad(t *testing.T) {
	b := start(t, host.Timing{Healthy: time.Nanosecond, Served: time.Nanosecond}, []string{"echo"}, "echo")
	const callers, kills = 64, 8
	fates := make([]map[string]core.Fate, callers)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for c := range callers {
		fates[c] = map[string]core.Fate{}
		all.Go(func() { b.load(c, fates[c], stop) })
	}
	for range kills {
		b.eventually("up", func() bool {
			_, fate := b.call("i-echo", "hello")
			return fate == core.Answered
		})
		kill9(t, b.plugin("echo").PID)
	}
	close(stop)
	all.Wait()
	b.stop()

	seen := map[string]int{}
	text, err := os.ReadFile(filepath.Join(b.data, "plugins", "work", "test.echo", "seen"))
	if err != nil {
		t.Fatal(err)
	}
	for id := range strings.Lines(string(text)) {
		seen[strings.TrimSpace(id)]++
	}
	count := map[core.Fate]int{}
	for _, m := range fates {
		for id, fate := range m {
			count[fate]++
			switch n := seen[id]; {
			case n > 1:
				t.Fatalf("call %s came %d times", id, n)
			case fate == core.Answered && n == 0:
				t.Fatalf("call %s was answered and not done", id)
			case (fate == core.NotSent || fate == core.NoPlugin) && n > 0:
				t.Fatalf("call %s was done, but its fate is %v", id, fate)
			}
		}
	}
	if count[core.Answered] == 0 || count[core.Lost] == 0 {
		t.Errorf("fates %v, want answered and lost calls", count)
	}
	t.Logf("answered %d, lost %d, not sent %d, no plugin %d",
		count[core.Answered], count[core.Lost], count[core.NotSent], count[core.NoPlugin])
}

// stands says whether a process that was sent SIGSTOP does nothing any more: its
// threads stop one after the other.
func stands(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads of %d: %v %v", pid, threads, err)
	}
	for _, name := range threads {
		stat, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, after, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(after, "T") {
			return false
		}
	}
	return true
}

// TestBackpressure stops the plugin's process: the stream fills, then the
// queue, then calls are refused at once. Its death answers all of them.
func TestBackpressure(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	pid := b.plugin("echo").PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	b.eventually("all threads have stopped", func() bool { return stands(t, pid) })
	const limit, n = 4096, 5000
	fates := make(chan core.Fate, 2*n)
	text := "record " + strings.Repeat("x", 1000)
	for range n {
		b.h.Call("i-echo", core.ConversationID{}, message(text), time.Minute,
			func(_ *pluginv1.Result, f core.Fate) { fates <- f })
	}
	for range n - limit {
		if fate := <-fates; fate != core.NotSent {
			t.Fatalf("call over the limit = %v, want NotSent", fate)
		}
	}
	kill9(t, pid)
	count := map[core.Fate]int{}
	for range limit {
		count[<-fates]++
	}
	if count[core.Lost] == 0 || count[core.NotSent] == 0 || count[core.Lost]+count[core.NotSent] != limit {
		t.Errorf("fates %v of %d calls at the crash, want lost and not sent ones", count, limit)
	}
	b.stop()
	if len(fates) > 0 {
		t.Errorf("%d calls were answered twice", len(fates))
	}
}

// hold makes a call whose answer waits for a drain, and returns when the plugin
// has it.
func (b *bench) hold(instance string, got chan<- core.Fate) {
	b.t.Helper()
	b.h.Call(instance, core.ConversationID{}, message("hold"), time.Hour,
		func(_ *pluginv1.Result, f core.Fate) { got <- f })
	b.eventually("the plugin has the call", func() bool { return b.log.line("msg=holding") != "" })
}

// load calls until stop, one call after the other.
func (b *bench) load(caller int, fates map[string]core.Fate, stop <-chan struct{}) {
	done := make(chan core.Fate, 2)
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		id := fmt.Sprintf("%d.%d", caller, n)
		b.h.Call("i-echo", core.ConversationID{byte(caller)}, message("record "+id), time.Minute,
			func(_ *pluginv1.Result, f core.Fate) { done <- f })
		fate := <-done
		fates[id] = fate
		if fate == core.NoPlugin {
			time.Sleep(time.Millisecond) // as a caller with a retry would
		}
	}
}

func TestCrashesLeakNothing(t *testing.T) {
	b := start(t, host.Timing{Healthy: time.Nanosecond, Served: time.Nanosecond}, []string{"echo"}, "echo")
	crash := func() {
		before := b.plugin("echo").Restarts
		kill9(t, b.plugin("echo").PID)
		b.eventually("restart", func() bool {
			p := b.plugin("echo")
			return p.Restarts > before && p.State == host.Running && p.Instances[0].State == host.Opened
		})
	}
	for range 3 {
		crash()
	}
	goroutines, fds := runtime.NumGoroutine(), openFiles(t)
	for range 100 {
		crash()
	}
	b.eventually("no goroutine is left over", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	b.eventually("no file is left open", func() bool { return openFiles(t) <= fds+2 })
	entries, err := os.ReadDir(b.sock)
	if err != nil || len(entries) != 1 {
		t.Errorf("socket folder holds %v, %v, want one folder", entries, err)
	}
	b.stop()
	if entries, _ := os.ReadDir(b.sock); len(entries) != 0 {
		t.Errorf("socket folder holds %v after the stop", entries)
	}
}

// TestKilledHostLeavesNoPlugin kills a gateway with SIGKILL.
func TestKilledHostLeavesNoPlugin(t *testing.T) {
	dir := t.TempDir()
	cmd := hostProcess(t, dir)
	pids := filepath.Join(dir, "pid")
	b := &bench{t: t}
	var pid int
	b.eventually("plugin is up", func() bool {
		text, err := os.ReadFile(pids)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(string(text))
		return err == nil
	})
	if !alive(pid) {
		t.Fatalf("plugin %d does not live", pid)
	}
	kill9(t, cmd.Process.Pid)
	_ = cmd.Wait()
	b.eventually("plugin has ended", func() bool { return !alive(pid) })
}

// TestKillToServing prints how long a crash is felt.
func TestKillToServing(t *testing.T) {
	b := start(t, host.Timing{Healthy: time.Nanosecond, Served: time.Nanosecond, Ping: time.Hour, Health: time.Hour}, []string{"echo"}, "echo")
	var noticed, served []time.Duration
	for range 10 {
		pending := make(chan core.Fate, 1)
		b.h.Call("i-echo", core.ConversationID{}, message("silent"), time.Minute,
			func(_ *pluginv1.Result, f core.Fate) { pending <- f })
		b.call("i-echo", "hello") // the silent one has been written
		begin := time.Now()
		kill9(t, b.plugin("echo").PID)
		if fate := <-pending; fate != core.Lost {
			t.Fatalf("open call = %v, want Lost", fate)
		}
		noticed = append(noticed, time.Since(begin))
		if _, err := b.h.Webhook(context.Background(), "i-echo", &pluginv1.WebhookRequest{}); err != nil {
			t.Fatal(err)
		}
		served = append(served, time.Since(begin))
	}
	slices.Sort(noticed)
	slices.Sort(served)
	t.Logf("kill -9 to answer of open calls: p50 %s max %s; to serving: p50 %s max %s",
		noticed[5], noticed[9], served[5], served[9])
	if noticed[5] > 10*time.Second || served[5] > 20*time.Second { // otherwise the calls' minute notices
		t.Error("a crash is felt too long")
	}
}

func kill9(t *testing.T, pid int) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("no process to kill: %d", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// alive says whether pid runs; a zombie does not.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(after, "Z")
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(entries)
}
