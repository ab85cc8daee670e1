package sdk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// defaultDrain is for drains without a deadline.
const defaultDrain = 30 * time.Second

// Describe implements pluginv1.PluginServer.
func (s *server) Describe(context.Context, *pluginv1.HostInfo) (*pluginv1.Manifest, error) {
	return s.plugin.manifest(), nil
}

// Validate implements pluginv1.PluginServer.
func (s *server) Validate(ctx context.Context, r *pluginv1.ValidateRequest) (*pluginv1.Problems, error) {
	d := s.drivers[r.Driver]
	if d == nil {
		return nil, status.Errorf(codes.NotFound, "no driver %q", r.Driver)
	}
	settings, problems := d.settings.decode(r.Settings, r.Secrets)
	if len(problems) > 0 {
		return &pluginv1.Problems{Problems: problems}, nil
	}
	in := &instance{s: s, driver: d, host: &host{s: s, log: s.log.With("driver", d.name)}}
	err := in.guard("validate", func() error { return d.settings.validate(ctx, settings) })
	if err != nil {
		return &pluginv1.Problems{Problems: []*pluginv1.Problem{{Message: clip(err.Error(), maxDetail)}}}, nil
	}
	return &pluginv1.Problems{}, nil
}

// OpenInstance implements pluginv1.PluginServer.
func (s *server) OpenInstance(ctx context.Context, spec *pluginv1.InstanceSpec) (*pluginv1.InstanceState, error) {
	if spec.Instance == "" {
		return nil, status.Error(codes.InvalidArgument, "an instance needs a name")
	}
	if s.ctx.Err() != nil {
		return nil, status.Error(codes.Unavailable, "the plugin is stopping")
	}
	return s.slot(spec.Instance, true).open(ctx, spec)
}

// CloseInstance implements pluginv1.PluginServer.
func (s *server) CloseInstance(ctx context.Context, r *pluginv1.InstanceRef) (*pluginv1.Empty, error) {
	if sl := s.slot(r.Instance, false); sl != nil {
		if err := sl.close(ctx); err != nil {
			return nil, status.FromContextError(err).Err()
		}
	}
	return &pluginv1.Empty{}, nil
}

// Activate implements pluginv1.PluginServer. It also undoes a drain.
func (s *server) Activate(ctx context.Context, r *pluginv1.ActivateRequest) (*pluginv1.Empty, error) {
	s.draining.Store(false)
	for _, name := range r.Instances {
		sl := s.slot(name, false)
		if sl == nil {
			return nil, status.Errorf(codes.NotFound, "no instance %q", name)
		}
		r, err := sl.activate(ctx)
		if err != nil {
			return nil, status.Errorf(codes.FailedPrecondition, "instance %q: %v", name, err)
		}
		if err := r.awaitBound(ctx); err != nil {
			return nil, status.Errorf(codes.ResourceExhausted, "instance %q: %v", name, err)
		}
	}
	return &pluginv1.Empty{}, nil
}

// Deactivate implements pluginv1.PluginServer.
func (s *server) Deactivate(ctx context.Context, r *pluginv1.ActivateRequest) (*pluginv1.Empty, error) {
	for _, name := range r.Instances {
		sl := s.slot(name, false)
		if sl == nil {
			continue // it has been closed
		}
		if err := sl.stopReceiving(ctx); err != nil {
			return nil, status.Errorf(codes.DeadlineExceeded, "instance %q: its listener does not end", name)
		}
	}
	return &pluginv1.Empty{}, nil
}

// Drain implements pluginv1.PluginServer.
func (s *server) Drain(ctx context.Context, r *pluginv1.DrainRequest) (*pluginv1.DrainReport, error) {
	d := time.Duration(r.DeadlineMs) * time.Millisecond
	if d == 0 {
		d = defaultDrain
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return &pluginv1.DrainReport{Unanswered: uint32(s.drain(ctx, r.ReleaseExclusive))}, nil
}

// drain stops receiving and waits for what is in hand. It returns how many
// frames are unanswered when ctx ends.
func (s *server) drain(ctx context.Context, release bool) int {
	s.draining.Store(true)
	s.eachSlot(func(sl *slot) {
		if err := sl.stopReceiving(ctx); err != nil {
			s.log.Warn("listener did not end in time", "instance", sl.name)
		}
	})
	unanswered := 0
	if l := s.currentLink(); l != nil {
		unanswered = l.settle(ctx)
	}
	if release {
		s.eachSlot(func(sl *slot) { sl.release(ctx) })
	}
	return unanswered
}

// CheckHealth implements pluginv1.PluginServer.
func (s *server) CheckHealth(context.Context, *pluginv1.HealthRequest) (*pluginv1.HealthReport, error) {
	report := &pluginv1.HealthReport{Serving: s.ctx.Err() == nil}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		if in := sl.current.Load(); in != nil {
			report.Instances = append(report.Instances, in.health())
		}
	}
	slices.SortFunc(report.Instances, func(a, b *pluginv1.InstanceHealth) int {
		return cmp.Compare(a.Instance, b.Instance)
	})
	return report, nil
}

func refused(format string, args ...any) *pluginv1.InstanceState {
	return &pluginv1.InstanceState{Message: clip(fmt.Sprintf(format, args...), maxDetail)}
}
