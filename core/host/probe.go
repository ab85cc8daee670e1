package host

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// probe has the driver of an open instance make its live check of the settings,
// and reports whether they pass. Settings that do not are shown and checked
// again, but the instance stays open: perhaps the far side is only down, and
// what is accepted meanwhile waits for it. For the same reason it is not asked
// before: a far side that hangs would hold up the start.
func (i *instance) probe(ctx context.Context, g *generation, spec Instance) bool {
	if !slices.Contains(g.mf.drivers[spec.Driver].GetAbilities(), pluginv1.AbilityValidate) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, i.h.t.describe)
	defer cancel()
	r, err := g.plugin.Validate(ctx, validateRequest(spec))
	problems := problemsOf(r.GetProblems())
	switch {
	case status.Code(err) == codes.Unimplemented:
		return true
	case err != nil:
		problems = []Problem{{Message: "live check: " + plain(err).Error()}}
	}
	if i.probed(problems) && len(problems) > 0 {
		g.log.Warn("settings of an instance do not pass their live check", "instance", i.name, "problems", ProblemText(problems))
	}
	return len(problems) == 0
}

// Validate has the plugin that is live look at settings that are not in force
// yet: it decodes them, and makes its driver's own check. It says nothing of
// those that no live plugin can look at, and nothing if the answer takes more
// than 5 s: that may be the far side's fault.
func (h *Host) Validate(ctx context.Context, spec Instance) []Problem {
	s := h.owner(spec.Driver)
	if s == nil {
		return nil
	}
	g := s.gen.Load()
	if g == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.t.describe)
	defer cancel()
	r, err := g.plugin.Validate(ctx, validateRequest(spec))
	if err != nil {
		g.log.Debug("settings are not checked by their plugin", "instance", spec.Name, "err", plain(err))
		return nil
	}
	return problemsOf(r.GetProblems())
}

func validateRequest(spec Instance) *pluginv1.ValidateRequest {
	return &pluginv1.ValidateRequest{
		Driver: spec.Driver, Settings: spec.Settings, Secrets: spec.Secrets, PublicUrl: spec.PublicURL,
	}
}

// probed records what the live check of an open instance has found, and reports
// whether that is news.
func (i *instance) probed(problems []Problem) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.status.State != Opened || slices.Equal(i.status.Problems, problems) {
		return false
	}
	i.status.Healthy, i.status.Problems, i.status.Message = len(problems) == 0, problems, ""
	if len(problems) > 0 {
		i.status.Message = "settings do not pass their live check"
	}
	return true
}

// ProblemText lists problems with the settings they are about.
func ProblemText(problems []Problem) string {
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return strings.Join(all, "; ")
}

// String returns "setting: what is wrong", or only the latter if it names the
// setting, or begins with it or its block.
func (p Problem) String() string {
	key := strings.NewReplacer("/", ".", "~1", "/", "~0", "~").Replace(strings.TrimPrefix(p.Pointer, "/"))
	first, _, _ := strings.Cut(key, ".")
	if strings.HasPrefix(p.Message, first) || strings.Contains(p.Message, strconv.Quote(key)) {
		return p.Message
	}
	return fmt.Sprintf("%s: %s", key, p.Message)
}

// problemsOf takes over a plugin's, with a limit to their texts.
func problemsOf(list []*pluginv1.Problem) []Problem {
	var problems []Problem
	for _, p := range list[:min(len(list), maxProblems)] {
		problems = append(problems, Problem{Pointer: clip(p.Pointer, 256), Message: clip(p.Message, 1024)})
	}
	return problems
}

// maxProblems is how many problems a plugin may name at once.
const maxProblems = 50
