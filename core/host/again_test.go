package host_test

import (
	"fmt"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
)

// An instance that is removed and comes back at once is open in the end: its
// closing does not hit its successor. The same if it has another driver of the
// same plugin.
func TestInstanceComesBack(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	b.eventually("open", func() bool { _, ups := b.core.seen(); return len(ups) == 1 })
	for n := range 10 {
		b.h.SetInstances(nil)
		b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: uint64(n + 2)}})
	}
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "nodriver", Revision: 1}})
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
	b.eventually("open again", func() bool {
		s := b.h.Instances()
		return len(s) == 1 && s[0].State == host.Opened && s[0].Driver == "echo" && s[0].Revision == 1
	})
	if r, fate := b.call("i-echo", "hello"); fate != core.Answered {
		t.Errorf("call = %v, %v; want an answer", r, fate)
	}
	_, ups := b.core.seen()
	for n, up := range ups {
		if want := []string{"+i-echo", "-i-echo"}[n%2]; up != want {
			t.Errorf("up and down = %s, want them to alternate", fmt.Sprint(ups))
			break
		}
	}
}
