package diag

import (
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the one of known that name was probably meant to be, or ""
// if none is near. Case does not count, and of equally near ones the first
// wins.
func Suggest(name string, known []string) string {
	lower := strings.ToLower(name)
	best, nearest := "", min(3, 1+len(name)/4)+1
	for _, k := range known {
		if d := levenshtein.Distance(lower, strings.ToLower(k), nil); d < nearest && d < len(k) {
			best, nearest = k, d
		}
	}
	return best
}

// DidYouMean returns the hint `did you mean "x"?` for what Suggest finds, and
// otherwise a list of what is known, or "" if that would be long.
func DidYouMean(name string, known []string) string {
	if s := Suggest(name, known); s != "" {
		return `did you mean "` + s + `"?`
	}
	if len(known) == 0 || len(known) > 24 {
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}
