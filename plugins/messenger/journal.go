package main

import (
	"bufio"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const maxLine = 256 // bytes of a journal's line

// journal is a file with the pieces that Meta has taken, a line for each: our key and
// Meta's id. It outlives the process, if not a power cut: it is not flushed, because
// without it a piece may come twice, and no more. The file before it is kept, so that
// it can begin anew. A nil journal keeps nothing.
type journal struct {
	dir string
	log *slog.Logger

	mu    sync.Mutex
	file  *os.File // nil once it is closed, or could not be written
	lines int
}

// openJournal reads the journal in dir, and goes on with it.
func openJournal(dir string, log *slog.Logger, known func(key, mid string)) *journal {
	if dir == "" {
		return nil
	}
	j := &journal{dir: dir, log: log}
	for _, name := range []string{j.old(), j.name()} {
		if n, err := readJournal(name, known); err == nil {
			j.lines = n
		} else if j.lines = 0; !errors.Is(err, fs.ErrNotExist) {
			log.Warn("what was sent before cannot be read; it may come twice if it was in doubt", "err", err)
		}
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = j.begin()
	}
	if err != nil {
		j.stop(err)
	}
	return j
}

func (j *journal) name() string { return filepath.Join(j.dir, "sent") }
func (j *journal) old() string  { return filepath.Join(j.dir, "sent.old") }

// readJournal reads one file, and returns how many lines it has. What is no line of
// ours is left out.
func readJournal(name string, known func(key, mid string)) (lines int, err error) {
	f, err := os.Open(name) //nolint:gosec // in the instance's own folder
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewScanner(f)
	for ; in.Scan(); lines++ {
		if key, mid, ok := strings.Cut(in.Text(), " "); ok && lineFits(key, mid) {
			known(key, mid)
		}
	}
	return lines, in.Err()
}

// lineFits says whether a piece can be a line.
func lineFits(key, mid string) bool {
	return len(key)+len(mid) < maxLine && !strings.ContainsFunc(key+mid, notPrintable)
}

// begin opens the file. The line with which a crash may have broken off is ended.
func (j *journal) begin() (err error) {
	j.file, err = os.OpenFile(j.name(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = j.file.WriteString("\n")
	}
	return err
}

// add writes a line.
func (j *journal) add(key, mid string) {
	if j == nil || !lineFits(key, mid) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return
	}
	_, err := j.file.WriteString(key + " " + mid + "\n")
	if j.lines++; err == nil && j.lines >= maxSent {
		err = j.turn()
	}
	if err != nil {
		j.stop(err)
	}
}

// turn begins a new file, and keeps this one in place of the one before. The caller
// holds j.mu.
func (j *journal) turn() error {
	if err := errors.Join(j.file.Close(), os.Rename(j.name(), j.old())); err != nil {
		return err
	}
	j.lines = 0
	return j.begin()
}

// stop does without a file.
func (j *journal) stop(err error) {
	j.log.Warn("what is sent cannot be noted; it may come twice behind a crash", "err", err)
	if j.file != nil {
		_ = j.file.Close()
		j.file = nil
	}
}

// close closes the file.
func (j *journal) close() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		_ = j.file.Close()
		j.file = nil
	}
}
