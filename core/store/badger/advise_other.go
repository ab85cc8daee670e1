//go:build !linux

package badger

// advise does nothing: only on Linux it is known where tables are mapped.
func (s *Store) advise() {}
