package badger_test

import (
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/core/store/storetest"
)

// These tests spoil syncs and disks with tools of the machine. They run with
// GATEWAY_CHAOS=1 and say what they did; where a tool or a right is missing
// they fail, because a test that was asked for and did not run is no pass.

func needChaos(t *testing.T, tools ...string) {
	t.Helper()
	if !chaos() {
		t.Skip("NOT RUN: set GATEWAY_CHAOS=1")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("NOT RUN: %v", err)
		}
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("NOT RUN: needs root, to mount")
	}
}

// run runs a command and fails the test if it fails.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	b, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, b)
	}
	return strings.TrimSpace(string(b))
}

// TestSyncErrors makes the nth sync of the child fail, once or from there on:
// it must stop by itself within a second, and nothing acknowledged is lost.
func TestSyncErrors(t *testing.T) {
	needChaos(t, "strace")
	const rounds = 24
	broken, total := 0, 0
	for round := range rounds {
		dir := t.TempDir()
		var a acked
		n := 8 + mrand.IntN(300)
		call, when := "msync", fmt.Sprint(n, "+")
		if round%2 == 1 {
			when = fmt.Sprint(n)
		}
		if round%6 == 5 {
			call = "msync,fsync,fdatasync"
		}
		cmd, out, stderr := startChild(t, dir, "", "strace", "-f", "-qq", "-o", "/dev/null",
			"-e", "trace="+call, "-e", "inject="+call+":error=EIO:when="+when)
		stop := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
		total += a.read(out)
		err := cmd.Wait()
		stop.Stop()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("round %d: child = %v: %s", round, err, stderr)
		}
		switch code := exit.ExitCode(); code {
		case exitBroken:
			broken++
		case 1: // the error hit Open
		default:
			t.Fatalf("round %d (%s %s): child = %v: %s", round, call, when, err, stderr)
		}
		a.verify(t, dir)
		if t.Failed() {
			t.Fatalf("round %d (%s %s)", round, call, when)
		}
	}
	t.Logf("%d rounds, %d ended by a failed sync under load, %d acknowledged writes, none lost", rounds, broken, total)
	if broken < rounds/2 {
		t.Errorf("only %d of %d rounds broke the store", broken, rounds)
	}
}

// TestPowerCut copies the image of a file system right after a kill and mounts
// the copy: what was not synced is not in it.
func TestPowerCut(t *testing.T) {
	needChaos(t, "mkfs.ext4", "mount", "umount", "losetup")
	needRoot(t)
	const rounds = 10
	total := 0
	for round := range rounds {
		dir := t.TempDir()
		image, after, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "after"), filepath.Join(dir, "mnt")
		if err := os.Mkdir(mnt, 0o700); err != nil {
			t.Fatal(err)
		}
		run(t, "truncate", "-s", "1G", image)
		run(t, "mkfs.ext4", "-q", image)
		unmount := mount(t, mnt, "-o", "loop", image)
		var a acked
		total += runAndKill(t, mnt, "", &a)
		run(t, "cp", "--sparse=always", image, after)
		unmount()
		unmount = mount(t, mnt, "-o", "loop", after)
		a.verifyOpen(t, badger.Options{Dir: mnt, Ballast: -1, OpenFloor: -1, Watermark: 256 << 20})
		unmount()
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d power cuts, %d acknowledged writes, none lost", rounds, total)
}

// mount mounts something at dir until the returned function is called, or the
// test ends.
func mount(t *testing.T, dir string, args ...string) func() {
	t.Helper()
	run(t, "mount", append(args, dir)...)
	var done atomic.Bool
	unmount := func() {
		if done.CompareAndSwap(false, true) {
			if b, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
				t.Errorf("umount %s: %v: %s", dir, err, b)
			}
		}
	}
	t.Cleanup(unmount)
	return unmount
}

// TestDiskFull fills a small disk from outside while the store is written to:
// new events are refused before it is full, draining goes on, and it recovers
// without a restart.
func TestDiskFull(t *testing.T) {
	needChaos(t, "mount", "umount")
	needRoot(t)
	const rounds = 20
	mnt := t.TempDir()
	unmount := mount(t, mnt, "-t", "tmpfs", "-o", "size=1g", "tmpfs")
	defer unmount()
	s := openStore(t, badger.Options{Dir: filepath.Join(mnt, "store"), OpenFloor: 256 << 20, Watermark: 384 << 20, Ballast: 64 << 20})
	defer closeStore(t, s)
	shards, unserve := serve(t, s)
	defer unserve()
	c := crashConv(0)
	sh := shards[store.ShardOf(c)]
	var rev store.Rev
	fill := filepath.Join(mnt, "fill")
	for round := range rounds {
		appended := 0
		for range 200 {
			if _, err := s.Append(t.Context(), store.Event{Conversation: c, Body: random(2000)}); err != nil {
				t.Fatalf("round %d: Append with room = %v", round, err)
			}
			appended++
		}
		free := s.Health().FreeBytes
		run(t, "fallocate", "-l", fmt.Sprint(free-uint64(200+mrand.IntN(100))<<20), fill)
		storetest.Eventually(t, "new events are refused", func() bool {
			_, err := s.Append(t.Context(), store.Event{Conversation: c, Body: random(2000)})
			if err == nil {
				appended++
			}
			return errors.Is(err, store.ErrFull)
		})
		for appended > 0 {
			mails, err := sh.Mail(t.Context(), c, 0, 50)
			if err != nil || len(mails) == 0 {
				t.Fatalf("round %d: Mail = %d, %v, %d are left", round, len(mails), err, appended)
			}
			com := store.Commit{Conversation: c, Expect: rev, Doc: random(1000)}
			for _, m := range mails {
				com.Consume = append(com.Consume, m.Seq)
			}
			if rev, err = sh.Commit(t.Context(), &com); err != nil {
				t.Fatalf("round %d: draining = %v", round, err)
			}
			appended -= len(mails)
		}
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
		storetest.Eventually(t, "events are taken again", func() bool {
			_, err := s.Append(t.Context(), store.Event{Conversation: c})
			return err == nil
		})
		mails, err := sh.Mail(t.Context(), c, 0, 10)
		if err != nil || len(mails) != 1 {
			t.Fatalf("round %d: Mail = %d, %v", round, len(mails), err)
		}
		if rev, err = sh.Commit(t.Context(), &store.Commit{Conversation: c, Expect: rev, Consume: []store.Seq{mails[0].Seq}}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d times full, drained and recovered", rounds)
}
