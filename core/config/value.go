package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// longest is the longest duration that a configuration may name.
const longest = 100 * 365 * 24 * time.Hour

// parseDuration reads what time.ParseDuration does, and days before it: "30d",
// "1d12h". It is false unless the duration is positive and at most a century.
func parseDuration(s string) (time.Duration, bool) {
	var d time.Duration
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0) || n > longest.Hours()/24 { // NaN is not >= 0
			return 0, false
		}
		d, s = time.Duration(n*24*float64(time.Hour)), rest
	}
	if s != "" || d == 0 {
		more, err := time.ParseDuration(s)
		if err != nil || more < 0 || more > longest {
			return 0, false
		}
		d += more
	}
	return d, d > 0 && d <= longest
}

// units are the units of sizes. The longer ones come first, because all end
// in "B".
var units = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// parseSize reads a number of bytes, such as "512KiB", "1.5GB" or "4096".
func parseSize(s string) (int64, bool) {
	scale := 1.0
	for _, u := range units {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			s, scale = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if n *= scale; err != nil || !(n >= 1) || n >= math.MaxInt64/2 {
		return 0, false
	}
	return int64(n), true
}
