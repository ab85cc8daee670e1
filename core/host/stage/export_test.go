package stage

import "io"

// Looks returns how often the directories were read. Call it after Run.
func (s *Stager) Looks() int { return s.looks }

// Inspect is inspect.
func Inspect(r io.ReaderAt, size int64, goos, goarch string) error {
	return inspect(r, size, goos, goarch)
}

// ErrIncomplete is errIncomplete.
var ErrIncomplete = errIncomplete
