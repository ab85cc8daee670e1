package rehearse

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/openccsp/gateway/core/rules"
)

// flowPrefix is before a flow's name where a rule's could stand.
const flowPrefix = "flow "

// fits reports whether an action is what is expected.
func fits(want rules.Expect, got rules.Shown) bool {
	if got.Error != "" || want.Do != got.Do {
		return false
	}
	switch {
	case want.Rule != "" && want.Rule != got.Rule:
		return false
	case want.Flow != "" && want.Flow != got.Rule && flowPrefix+want.Flow != got.Rule:
		return false
	}
	return want.With == nil || equal(want.With, got.With)
}

// near reports whether an action is the one that is meant, if not as it should be.
func near(want rules.Expect, got rules.Shown) bool {
	want.With = nil
	got.Error = ""
	return fits(want, got)
}

// chief are the values that an action may be written by alone.
var chief = []string{"text", "name", "reason", "endpoint", "to"}

// equal compares what is wanted with what there is: of a map only what is wanted
// counts, and a number is what it is written as.
func equal(want, got any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok { // send: { text: Hi } for what is shown as send: Hi
			return len(w) == 1 && slices.ContainsFunc(chief, func(k string) bool { return w[k] != nil && equal(w[k], got) })
		}
		for k, v := range w {
			if !equal(v, g[k]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(w, g, equal)
	}
	if g, ok := got.(map[string]any); ok {
		return slices.ContainsFunc(chief, func(k string) bool { return g[k] != nil && equal(want, g[k]) })
	}
	if _, isText := got.(string); isText {
		if n, isNumber := want.(float64); isNumber {
			return strconv.FormatFloat(n, 'f', -1, 64) == got
		}
		return fmt.Sprint(want) == got
	}
	return want == got
}
