package badger

// OpenFault is Open with a function whose error fails a commit as a failed
// sync would.
func OpenFault(o Options, fault func() error) (*Store, error) { return open(o, fault) }
