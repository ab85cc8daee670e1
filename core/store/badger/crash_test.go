package badger_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
)

// The crash tests run this test binary again as a child that writes and tells
// on its standard output what was acknowledged, kill it, and look at what is
// left. GATEWAY_CHAOS=1 gives the full dose and the tests that need root.
const (
	envChild = "GATEWAY_STORE_CHILD" // the data directory
	envKill  = "GATEWAY_STORE_KILL"  // "<point>=<n>": the child kills itself there at the nth time
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envChild); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

func chaos() bool { return os.Getenv("GATEWAY_CHAOS") == "1" }

const childConvs = 24

// exitBroken is the child's answer to a broken store.
const exitBroken = 3

// child writes until it is killed or the store breaks.
func child(dir string) int {
	s, err := badger.Open(badger.Options{Dir: dir, Ballast: -1, OpenFloor: -1, Watermark: 256 << 20,
		Hook: killHook(os.Getenv(envKill))})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-s.Failed()
		cancel()
	}()
	fmt.Println("ready")
	err = s.Serve(ctx, func(ctx context.Context, sh store.Shard) error {
		var wg sync.WaitGroup
		for i := range childConvs {
			if c := crashConv(i); store.ShardOf(c) == sh.ID() {
				wg.Go(func() { write(ctx, s, sh, i) })
			}
		}
		wg.Wait()
		return nil
	})
	if errors.Is(err, store.ErrBroken) {
		return exitBroken
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// killHook returns a hook that kills the process at the nth call of a point.
func killHook(spec string) func(string) {
	point, count, ok := strings.Cut(spec, "=")
	if !ok {
		return nil
	}
	n, _ := strconv.Atoi(count)
	return func(p string) {
		if p == point {
			if n--; n == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
	}
}

func crashConv(i int) core.ConversationID { return core.NewConversationID("crash", fmt.Sprint(i)) }

// write appends and commits by turns and prints "a conv n" or "c conv n" once
// each is acknowledged.
func write(ctx context.Context, s *badger.Store, sh store.Shard, i int) {
	c := crashConv(i)
	doc, rev, err := sh.Load(ctx, c)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return
	}
	n, _ := strconv.Atoi(string(doc))
	for {
		n++
		num := strconv.Itoa(n)
		_, err := s.Append(ctx, store.Event{Conversation: c, Body: []byte(num),
			Dedup: store.Dedup{Instance: "i", ID: num, For: time.Hour}})
		if err != nil {
			return
		}
		fmt.Printf("a %d %d\n", i, n)
		mails, err := sh.Mail(ctx, c, 0, 10)
		if err != nil {
			return
		}
		com := store.Commit{Conversation: c, Expect: rev, Doc: []byte(num),
			History: []store.Entry{{N: uint64(n), Body: bytes.Repeat([]byte(num), 100)}}}
		for _, m := range mails {
			com.Consume = append(com.Consume, m.Seq)
		}
		_, _ = rand.Read(com.ID[:])
		if rev, err = sh.Commit(ctx, &com); err != nil {
			return
		}
		fmt.Printf("c %d %d\n", i, n)
	}
}

// acked is what a child's output acknowledged, per conversation.
type acked struct{ appended, committed [childConvs]int }

// read reads a child's output to its end and returns the number of lines.
func (a *acked) read(r io.Reader) (lines int) {
	for sc := bufio.NewScanner(r); sc.Scan(); {
		var what string
		var i, n int
		if k, _ := fmt.Sscan(sc.Text(), &what, &i, &n); k < 3 {
			continue // "ready", or a line cut by the kill
		}
		lines++
		if what == "a" {
			a.appended[i] = max(a.appended[i], n)
		} else {
			a.committed[i] = max(a.committed[i], n)
		}
	}
	return lines
}

// startChild starts a child, through argv if there is one.
func startChild(t *testing.T, dir, kill string, argv ...string) (*exec.Cmd, *bufio.Reader, *bytes.Buffer) {
	t.Helper()
	argv = append(argv, os.Args[0])
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), envChild+"="+dir, envKill+"="+kill)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out), &stderr
}

// runAndKill runs a child until it dies: at point kill, or after a random
// time. It returns the number of acknowledgements.
func runAndKill(t *testing.T, dir, kill string, a *acked) int {
	t.Helper()
	cmd, out, stderr := startChild(t, dir, kill)
	if line, err := out.ReadString('\n'); err != nil || line != "ready\n" {
		_ = cmd.Wait()
		t.Fatalf("child says %q, %v: %s", line, err, stderr)
	}
	timer := time.AfterFunc(time.Duration(20+mrand.IntN(400))*time.Millisecond, func() {
		if kill == "" {
			_ = cmd.Process.Kill()
		}
	})
	defer timer.Stop()
	n := a.read(out)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("child ended by itself: %v: %s", err, stderr)
	}
	return n
}

// verify opens the store and checks that all that was acknowledged is there,
// and nothing that was never written.
func (a *acked) verify(t *testing.T, dir string) {
	t.Helper()
	a.verifyOpen(t, badger.Options{Dir: dir, Ballast: -1})
}

func (a *acked) verifyOpen(t *testing.T, o badger.Options) {
	t.Helper()
	s, err := badger.Open(o)
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	shards, unserve := serve(t, s)
	defer unserve()
	for i := range childConvs {
		a.verifyConv(t, s, shards[store.ShardOf(crashConv(i))], i)
	}
}

func (a *acked) verifyConv(t *testing.T, s *badger.Store, sh store.Shard, i int) {
	t.Helper()
	c := crashConv(i)
	doc, _, err := sh.Load(t.Context(), c)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Load = %v", err)
	}
	n, _ := strconv.Atoi(string(doc))
	if n < a.committed[i] || n > a.appended[i]+1 {
		t.Errorf("conversation %d: document %d, acknowledged were commit %d and mail %d", i, n, a.committed[i], a.appended[i])
	}
	mails, err := sh.Mail(t.Context(), c, 0, 10)
	if err != nil {
		t.Fatalf("Mail = %v", err)
	}
	switch {
	case len(mails) == 1 && string(mails[0].Body) == strconv.Itoa(n+1):
	case len(mails) == 0 && a.appended[i] <= n:
	default:
		t.Errorf("conversation %d: document %d, mail %d was acknowledged, %d are left", i, n, a.appended[i], len(mails))
	}
	next, cursor := n, ""
	for {
		p, err := s.Reader().History(t.Context(), c, cursor, 1000)
		if err != nil {
			t.Fatalf("History = %v", err)
		}
		for _, e := range p.Items {
			if e.N != uint64(next) || !bytes.HasPrefix(e.Body, []byte(strconv.Itoa(next))) {
				t.Fatalf("conversation %d: entry %d where %d is due", i, e.N, next)
			}
			next--
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if next != 0 {
		t.Errorf("conversation %d: entries up to %d are missing", i, next)
	}
}

// serve takes all shards of a store, until the returned function is called.
func serve(tb testing.TB, s *badger.Store) (shards [store.Shards]store.Shard, unserve func()) {
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan store.Shard, store.Shards)
	done := make(chan error, 1)
	go func() {
		done <- s.Serve(ctx, func(ctx context.Context, sh store.Shard) error {
			got <- sh
			<-ctx.Done()
			return nil
		})
	}()
	for range store.Shards {
		sh := <-got
		shards[sh.ID()] = sh
	}
	return shards, func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Serve = %v", err)
		}
	}
}

// TestKill kills the child at random moments and at the committer's points:
// before a group is committed, and after it, before it is answered.
func TestKill(t *testing.T) {
	rounds := 10
	if chaos() {
		rounds = 200
	}
	dir := t.TempDir()
	var a acked
	total := 0
	for round := range rounds {
		kill := ""
		switch round % 3 {
		case 1:
			kill = fmt.Sprintf("%s=%d", badger.PointBeforeCommit, 1+mrand.IntN(60))
		case 2:
			kill = fmt.Sprintf("%s=%d", badger.PointBeforeAnswer, 1+mrand.IntN(60))
		}
		total += runAndKill(t, dir, kill, &a)
		a.verify(t, dir)
		if t.Failed() {
			t.Fatalf("round %d (%q)", round, kill)
		}
	}
	t.Logf("%d kills, %d acknowledged writes, none lost", rounds, total)
	if total < rounds {
		t.Errorf("only %d writes were acknowledged, the test shows little", total)
	}
}
