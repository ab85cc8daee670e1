package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Confined says whether process pid may come out of a sandbox: it cannot gain
// privileges, as this process can. A plugin and all that it starts can never
// shake that off, while most kernels let it connect to any unix socket of its
// user: who takes a peer's user for a credential should ask this first. A
// process that has ended counts as confined. If this process itself cannot
// gain privileges there is no telling them apart, and nobody is confined.
func Confined(pid int) bool {
	own, err := noGain("self")
	if err != nil || own {
		return false
	}
	peer, err := noGain(strconv.Itoa(pid))
	return err != nil || peer
}

// noGain reads a process's no_new_privs.
func noGain(pid string) (bool, error) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "NoNewPrivs:"); ok {
			return strings.TrimSpace(v) == "1", nil
		}
	}
	return false, os.ErrNotExist // before Linux 4.10
}
