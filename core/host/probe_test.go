package host_test

import (
	"slices"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
)

// TestLiveCheck: the driver's own check is made of the settings that are in
// force, its problems are shown by instance and setting, and it is made again
// until it passes. The instance works meanwhile.
func TestLiveCheck(t *testing.T) {
	b := start(t, host.Timing{}, []string{"doubtful"})
	b.h.SetInstances([]host.Instance{{Name: "i-doubtful", Driver: "doubtful", Revision: 1,
		Settings: []byte(`{"size":7}`), Secrets: map[string][]byte{"token": []byte("hunter2-hunter2")}}})
	status := func() host.InstanceStatus { return b.h.Instances()[0] }
	b.eventually("problem", func() bool { return len(status().Problems) > 0 })
	s := status()
	if s.State != host.Opened || s.Healthy || s.Message != "settings do not pass their live check" ||
		host.ProblemText(s.Problems) != "size: the far side does not know it" {
		t.Errorf("status %+v, want open, and the driver's problem", s)
	}
	b.eventually("log of instance and setting", func() bool {
		return b.log.line("do not pass their live check", "instance=i-doubtful", "size: the far side does not know it") != ""
	})
	b.eventually("settings and secret at the driver", func() bool { return b.log.line(`validate doubtful {\"size\":7} 15`) != "" })
	if _, fate := b.call("i-doubtful", "hello"); fate != core.Answered {
		t.Errorf("call = %v, want the instance to work", fate)
	}

	b.allow()
	b.eventually("passed", func() bool { s := status(); return s.Healthy && s.Message == "" && len(s.Problems) == 0 })
}

// TestValidate: a live plugin looks at settings that are not in force; what
// nobody can look at has no problems.
func TestValidate(t *testing.T) {
	b := start(t, host.Timing{}, []string{"doubtful"})
	spec := host.Instance{Name: "new", Driver: "doubtful", Settings: []byte(`{"size":9}`)}
	want := []host.Problem{{Pointer: "/size", Message: "the far side does not know it"}}
	if got := b.h.Validate(t.Context(), spec); !slices.Equal(got, want) {
		t.Errorf("problems %v, want the driver's", got)
	}
	b.allow()
	if got := b.h.Validate(t.Context(), spec); got != nil {
		t.Errorf("problems %v of settings that pass", got)
	}
	if n := len(b.h.Instances()); n != 0 {
		t.Errorf("%d instances, want nothing opened", n)
	}
	spec.Driver = "nobody's"
	if got := b.h.Validate(t.Context(), spec); got != nil {
		t.Errorf("problems %v from no plugin", got)
	}
}

func TestProblemText(t *testing.T) {
	got := host.ProblemText([]host.Problem{{Message: "all"}, {Pointer: "/poll/a~1b~0", Message: "x"},
		{Pointer: "/tokn", Message: `unknown setting "tokn"`}})
	if want := `all; poll.a/b~: x; unknown setting "tokn"`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
