package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// allow are the beginnings of the numbers that may be called; none: any number. An
// address is what a customer says it is, and some numbers cost a lot.
type allow []string

// dialable is what a number, or the name of a telephone, is made of.
var dialable = regexp.MustCompile(`^[0-9A-Za-z+*#._-]{1,64}$`)

func (a allow) check() error {
	for _, b := range a {
		if !dialable.MatchString(b) {
			return fmt.Errorf("allow: %q is not the beginning of a number, such as +41", b)
		}
	}
	return nil
}

// number says why a number may not be called, nil if it may. Codes that switch
// something, such as *21#, are no numbers: they must be allowed.
func (a allow) number(n string) error {
	begins := func(b string) bool { return strings.HasPrefix(n, b) }
	if len(a) == 0 && !strings.ContainsAny(n, "*#") || slices.ContainsFunc(a, begins) {
		return nil
	}
	return sdk.Rejected("not_allowed", "the setting allow has no beginning of this number")
}
