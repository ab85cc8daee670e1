package host_test

import (
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
)

// A receipt of a message that nobody here sent comes in vain; what an instance that is
// not open emits may come again.
func TestFinalRefusals(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{core.Errorf(core.Invalid, "an event of nobody"), true},
		{core.Errorf(core.TooLarge, "too large"), true},
		{&core.Error{Code: core.NotFound, Message: "no message with this id", Err: core.ErrNoMessage}, true},
		{core.Errorf(core.NotFound, "the instance is not open"), false},
		{core.Errorf(core.Unavailable, "later"), false},
	} {
		if got := host.Final(test.err); got != test.want {
			t.Errorf("%v is final: %t", test.err, got)
		}
	}
}
