package badger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	bdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

// The scrubber looks for damage on the disk. Badger can check the blocks that
// it reads, but then takes the rest of a damaged table for missing, without an
// error, and compaction drops it. So it does not check, and all tables are
// read from time to time instead: right after Open, then every 30 s, or less
// often if they are many, so that it takes at most a twentieth of the time.
const (
	scrubEvery = 30 * time.Second
	scrubShare = 20
)

// scrub runs until closing.
func (s *Store) scrub() {
	for {
		start := time.Now()
		s.scrubAll()
		wait := time.NewTimer(max(scrubEvery, scrubShare*time.Since(start)))
		select {
		case <-s.closing:
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// scrubAll checks the tables that are in use.
func (s *Store) scrubAll() {
	dir := filepath.Join(s.opt.Dir, "db")
	for _, t := range s.db.Tables() {
		select {
		case <-s.closing:
			return
		default:
		}
		if err := checkTable(table.NewFilename(t.ID, dir)); err != nil && s.hasTable(t.ID) {
			_ = s.noted(fmt.Errorf("%w table: %w; restore a backup", errDamaged, err))
		}
	}
}

// hasTable says whether a table is in use. Compaction deletes those that are
// not, also while they are read here.
func (s *Store) hasTable(id uint64) bool {
	return slices.ContainsFunc(s.db.Tables(), func(t bdb.TableInfo) bool { return t.ID == id })
}

// checkTable reads one table through a mapping of its own. Badger's check may
// trip over what it finds, and the mapping faults where the disk cannot be read
// or the file has become shorter, which it does when compaction deletes it.
func checkTable(path string) (err error) {
	f, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(fmt.Errorf("%s: %v", path, p), f.Close(-1))
		}
	}()
	t, err := table.OpenTable(f, table.Options{})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err) // it has closed f
	}
	return errors.Join(t.VerifyChecksum(), t.Close(-1))
}
