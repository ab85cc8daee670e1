package stage

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Sidecar is what the operator says about one plugin, in the file
// <path>.plugin.yaml beside it:
//
//	enabled: true         # false: it does not run
//	sha256: 9f86d0818…    # it must be this content
//	memory: 256MiB        # at most; a lower limit of the configuration stays
//	probation: 2m         # of a new version
//
// All keys may be left out. A sidecar can only narrow what is allowed without
// it.
type Sidecar struct {
	Enabled   bool          // true without a sidecar
	SHA256    string        // lower-case hex; "": any content
	Memory    int64         // bytes; 0: says nothing
	Probation time.Duration // 0: says nothing
}

var sidecarKeys = []string{"enabled", "sha256", "memory", "probation"}

// ParseSidecar reads the text of a sidecar; file is its name for problems. It
// returns [diag.Problems].
func ParseSidecar(file string, text []byte) (Sidecar, error) {
	d := &document{file: file}
	out := Sidecar{Enabled: true}
	for key, s := range d.read(text, sidecarKeys) {
		switch key {
		case "enabled":
			out.Enabled, _ = d.bool(key, s)
		case "sha256":
			if w, ok := d.text(key, s); ok {
				if out.SHA256 = strings.ToLower(w.text); !isDigest(out.SHA256) {
					d.problem(w.pos, "write what sha256sum prints", "sha256 is not 64 hexadecimal digits")
				}
			}
		case "memory":
			if w, ok := d.text(key, s); ok {
				if out.Memory, ok = parseSize(w.text); !ok {
					d.problem(w.pos, `write one such as 256MiB`, "memory %q is not a size of 1MiB or more", clip(w.text))
				}
			}
		case "probation":
			if w, ok := d.text(key, s); ok {
				t, err := time.ParseDuration(w.text)
				if out.Probation = t; err != nil || t < time.Second || t > 24*time.Hour {
					d.problem(w.pos, `write one such as 90s`, "probation %q is not a duration of 1s to 24h", clip(w.text))
				}
			}
		}
	}
	if err := d.problems.Err(); err != nil {
		return Sidecar{}, err
	}
	return out, nil
}

func isDigest(s string) bool {
	if len(s) != 64 || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}

// parseSize reads "256MiB"; 1 MiB to 1 TiB.
func parseSize(s string) (int64, bool) {
	for _, u := range []struct {
		name  string
		shift int
	}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}} {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 40)
		if err != nil || n > 1<<40>>u.shift {
			return 0, false
		}
		size := int64(n) << u.shift
		return size, size >= 1<<20
	}
	return 0, false
}
