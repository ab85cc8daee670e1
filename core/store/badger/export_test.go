package badger

// OpenFault is Open with a function whose error fails a commit as a failed
// sync would.
func OpenFault(o Options, fault func() error) (*Store, error) { return open(o, fault) }

// Waiting returns how many requests wait for the committer.
func Waiting(s *Store) (n int) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	for _, g := range s.queue.groups {
		n += len(g.requests)
	}
	return n
}

// CheckTable is what the scrubber does with one table.
func CheckTable(path string) error { return checkTable(path) }

// BadgerError hands s an error as Badger's own log does.
func BadgerError(s *Store, format string, args ...any) {
	badgerLog{s.log, s.fail, s.hook}.Errorf(format, args...)
}
