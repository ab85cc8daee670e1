package badger

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// advise keeps telling the kernel that tables are read here and there, a
// block at a time, until the store closes. Badger maps them into memory, and
// a page that is not there brings megabytes of neighbours with it by default.
// Where memory is scarcer than data these push out what is needed next: most
// of a minute's work was measured to be reading, 1.6 MB for every 4 kB.
func (s *Store) advise() {
	dir := filepath.Join(s.opt.Dir, "db")
	t := time.NewTicker(adviseEvery)
	defer t.Stop()
	var seen time.Time
	for {
		select {
		case <-s.closing:
			return
		case <-t.C:
		}
		info, err := os.Stat(dir)
		if err != nil || info.ModTime().Equal(seen) {
			continue
		}
		if err := adviseTables(dir); err != nil {
			s.log.Warn("tables are read ahead of need", "err", err)
			return
		}
		seen = info.ModTime()
	}
}

// adviseEvery is how long a new table may be read ahead: it is written and
// thus in memory at first.
const adviseEvery = time.Second

// adviseTables gives the advice for all tables in dir that are mapped now.
// Badger does not tell where they are, the kernel does. A mapping that was
// replaced meanwhile gets it too, which harms nothing: it concerns files only,
// and ends with the mapping.
func adviseTables(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		// 7f00-7f10 rw-s 00000000 08:01 1234   /dir/db/000001.sst
		line := lines.Text()
		at := strings.IndexByte(line, '/')
		if at < 0 || filepath.Dir(line[at:]) != dir || filepath.Ext(line) != ".sst" {
			continue
		}
		from, to, ok := addresses(line)
		if !ok {
			continue
		}
		if _, _, no := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_RANDOM); no != 0 && no != unix.ENOMEM {
			return os.NewSyscallError("madvise", no)
		}
	}
	return lines.Err()
}

// addresses reads the two of a line of /proc/self/maps.
func addresses(line string) (from, to uintptr, ok bool) {
	span, _, _ := strings.Cut(line, " ")
	a, b, _ := strings.Cut(span, "-")
	f, err1 := strconv.ParseUint(a, 16, 64)
	t, err2 := strconv.ParseUint(b, 16, 64)
	return uintptr(f), uintptr(t), err1 == nil && err2 == nil && f < t
}
