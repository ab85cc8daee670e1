package host

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// semver is a semantic version (semver.org, 2.0.0) without its build part.
type semver struct {
	core [3]uint64
	pre  []string
}

var semverForm = regexp.MustCompile(
	`^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]{1,64}))?(?:\+[0-9A-Za-z.-]{1,64})?$`)

func parseSemver(s string) (v semver, err error) {
	m := semverForm.FindStringSubmatch(s)
	if m == nil {
		return v, fmt.Errorf("version %q is not a semantic version such as \"1.2.0\"", s)
	}
	for i := range v.core {
		v.core[i], _ = strconv.ParseUint(m[i+1], 10, 64) // at most 9 digits
	}
	if m[4] != "" {
		v.pre = strings.Split(m[4], ".")
	}
	return v, nil
}

// compare returns -1, 0 or 1, by precedence.
func (v semver) compare(w semver) int {
	for i := range v.core {
		if c := cmp.Compare(v.core[i], w.core[i]); c != 0 {
			return c
		}
	}
	switch {
	case len(v.pre) == 0 || len(w.pre) == 0:
		return cmp.Compare(len(w.pre), len(v.pre)) // a pre-release is lower
	}
	for i := range min(len(v.pre), len(w.pre)) {
		if c := comparePre(v.pre[i], w.pre[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(v.pre), len(w.pre))
}

// comparePre compares one identifier; numbers are lower than words.
func comparePre(a, b string) int {
	m, errA := strconv.ParseUint(a, 10, 64)
	n, errB := strconv.ParseUint(b, 10, 64)
	switch {
	case errA == nil && errB == nil:
		return cmp.Compare(m, n)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return cmp.Compare(a, b)
}
