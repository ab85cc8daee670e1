package files

import (
	"errors"
	"io/fs"
	"os"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media"
)

// Somebody may have removed from the folder what files hold, or a disk may have lost
// it. Their records stay until they are old: it may come back.

var errGone = media.Refused(core.NotFound, media.Gone, "what the file holds is not on the disk any more")

// maxGoneLines is how many such files are told of one by one: a folder may have had
// thousands.
const maxGoneLines = 20

// look returns errGone if what f holds is not on the disk.
func (s *Store) look(f File) error {
	there, err := s.there(f)
	if err != nil || there && s.lost.Load() == 0 { // as ever: not behind somebody's fsync
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !there { // unless it was removed and came again meanwhile
		if there, err = s.there(f); err != nil {
			return err
		}
	}
	s.gone(f, !there)
	if !there {
		return errGone
	}
	return nil
}

// there says whether what f holds is on the disk, whole.
func (s *Store) there(f File) (bool, error) {
	info, err := os.Stat(s.blobPath(f.Hash))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size() == f.Bytes, err
}

// gone notes that what a counted file holds is gone, or is back, and says so if it is
// news. The caller holds s.mu, or is Open.
func (s *Store) gone(f File, gone bool) {
	b := s.blobs[f.Hash]
	if b == nil || b.gone == gone {
		return
	}
	b.gone = gone
	if !gone {
		s.lost.Add(-1)
		s.used += onDisk(b.bytes)
		s.o.Log.Info("what a file holds is there again", "media", f.ID, "hash", f.Hash)
		return
	}
	s.used -= onDisk(b.bytes)
	if s.lost.Add(1) <= maxGoneLines {
		s.o.Log.Error("what a file holds is not on the disk any more, links to it lead nowhere",
			"media", f.ID, "name", f.Name, "hash", f.Hash, "dir", s.o.Dir)
	}
}
