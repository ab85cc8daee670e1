package rehearse

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/core/rules"
)

// flowPrefix is before a flow's name where a rule's could stand.
const flowPrefix = "flow "

// fits reports whether an action is what is expected.
func fits(want rules.Expect, got rules.Shown) bool {
	if got.Error != "" || want.Do != got.Do && !onChannel(want, got) {
		return false
	}
	switch {
	case want.Rule != "" && want.Rule != got.Rule:
		return false
	case want.Flow != "" && want.Flow != got.Rule && flowPrefix+want.Flow != got.Rule:
		return false
	}
	return want.With == nil || equal(want.With, got.InFull(), rules.Chief(got.Do))
}

// onChannel reports whether a send on a named channel is meant by the name of the
// channel's type, such as send_sms: that is how the rule may have it.
func onChannel(want rules.Expect, got rules.Shown) bool {
	with, _ := got.With.(map[string]any)
	return strings.HasPrefix(want.Do, "send_") && got.Do == "send" && with["channel"] != nil
}

// near reports whether an action is the one that is meant, if not as it should be.
func near(want rules.Expect, got rules.Shown) bool {
	want.With = nil
	got.Error = ""
	return fits(want, got)
}

// equal compares what is wanted with what there is: of a map only what is wanted
// counts, its chief value may stand for it, and a number is what it is written as.
func equal(want, got any, chief string) bool {
	if w, ok := want.(map[string]any); ok {
		g, ok := got.(map[string]any)
		if !ok { // send: { text: Hi } for what is shown as send: Hi
			g = map[string]any{chief: got}
		}
		for k, v := range w {
			if !equal(v, g[k], "") {
				return false
			}
		}
		return true
	}
	switch g := got.(type) {
	case map[string]any:
		return chief != "" && g[chief] != nil && equal(want, g[chief], "")
	case []any:
		w, ok := want.([]any)
		return ok && slices.EqualFunc(w, g, func(w, g any) bool { return equal(w, g, "") })
	case string:
		if n, isNumber := want.(float64); isNumber {
			return strconv.FormatFloat(n, 'f', -1, 64) == g
		}
		return fmt.Sprint(want) == g
	}
	return want == got
}
