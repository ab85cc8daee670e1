package conform

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const cookie = pluginv1.MagicCookieKey + "=" + pluginv1.MagicCookieValue

var handshakeCases = []oneCase{
	{"handshake/line", "the first line of standard output is 1|1|unix|<socket in PLUGIN_UNIX_SOCKET_DIR>|grpc", (*trial).handshakeLine},
	{"handshake/connect", "go-plugin connects to it and finds it healthy", (*trial).handshakeConnect},
	{"handshake/no-tls", "it offers no certificate when it is asked for none", (*trial).handshakeTLS},
	{"handshake/no-cookie", "started by hand it says so on standard error and ends with a code that is not 0", (*trial).handshakeNoCookie},
	{"handshake/wrong-cookie", "so it does with another program's cookie", (*trial).handshakeWrongCookie},
	{"handshake/versions", "of the protocol versions it is offered it takes 1", (*trial).handshakeVersions},
	{"handshake/other-version", "offered only versions to come it ends, or names its own", (*trial).handshakeOther},
}

// shake starts the plugin and returns the fields of its handshake line.
func (t *trial) shake(env ...string) (*process, []string, error) {
	p, err := t.raw(env...)
	if err != nil {
		return nil, nil, err
	}
	until := time.Now().Add(t.o.Patience)
	line := p.firstLine(t.o.Patience)
	switch {
	case line != "":
		return p, strings.Split(line, "|"), nil
	case p.awaitExit(time.Until(until)):
		return p, nil, p.startError(nil)
	}
	return p, nil, fmt.Errorf("%w within %s", errNoHandshake, t.o.Patience)
}

func (t *trial) handshakeLine() error {
	p, fields, err := t.shake(cookie, "PLUGIN_PROTOCOL_VERSIONS=1")
	if err != nil {
		return err
	}
	if p.alien() {
		return p.startError(nil)
	}
	line := clip(strings.Join(fields, "|"), 200)
	if len(fields) < 5 {
		return fmt.Errorf("the line %q has %d fields, want at least 5", line, len(fields))
	}
	if len(fields) > 6 {
		return fmt.Errorf("the line %q has %d fields: the seventh is only for hosts that set PLUGIN_MULTIPLEX_GRPC", line, len(fields))
	}
	for i, want := range []string{"1", "1", "unix", "", "grpc"} {
		if i != 3 && fields[i] != want {
			err = errors.Join(err, fmt.Errorf("field %d of %q is %q, want %q", i+1, line, fields[i], want))
		}
	}
	if _, _, wrong := p.PluginToHost(fields[2], fields[3]); wrong != nil {
		err = errors.Join(err, wrong)
	}
	if len(fields[3]) > 107 {
		err = errors.Join(err, fmt.Errorf("the socket's path %q is longer than the 107 bytes a socket may have", filepath.Base(fields[3])))
	}
	return err
}

func (t *trial) handshakeConnect() error {
	s, err := t.start()
	if err != nil {
		return err
	}
	return s.servingService()
}

// servingService asks for gRPC's own health service, as go-plugin does.
func (s *session) servingService() error {
	ctx, cancel := s.patience()
	defer cancel()
	r, err := healthpb.NewHealthClient(s.conn).Check(ctx, &healthpb.HealthCheckRequest{Service: "plugin"})
	if err != nil {
		return fmt.Errorf("grpc.health.v1.Health/Check of service \"plugin\": %w", plain(err))
	}
	if r.Status != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("grpc.health.v1.Health says %v of service \"plugin\", want SERVING", r.Status)
	}
	return nil
}

func (t *trial) handshakeTLS() error {
	_, fields, err := t.shake(cookie, "PLUGIN_PROTOCOL_VERSIONS=1")
	if err != nil {
		return err
	}
	if len(fields) > 5 && fields[5] != "" {
		return errors.New("the sixth field holds a certificate, and PLUGIN_CLIENT_CERT was not set; the gateway speaks in the clear on a private socket")
	}
	return nil
}

func (t *trial) handshakeNoCookie() error { return t.refuses("PLUGIN_PROTOCOL_VERSIONS=1") }

func (t *trial) handshakeWrongCookie() error {
	return t.refuses(pluginv1.MagicCookieKey+"=of-another-program", "PLUGIN_PROTOCOL_VERSIONS=1")
}

// refuses checks that the plugin does not serve in such an environment.
func (t *trial) refuses(env ...string) error {
	p, err := t.raw(env...)
	if err != nil {
		return err
	}
	if !p.awaitExit(t.o.Patience) {
		return fmt.Errorf("the process still runs after %s", t.o.Patience)
	}
	<-p.drained
	stdout, stderr := p.output()
	if p.cmd.ProcessState.ExitCode() == 0 {
		err = errors.New("the process ended with code 0, want another: nothing was done")
	}
	if strings.TrimSpace(stderr) == "" && strings.TrimSpace(stdout) == "" {
		err = errors.Join(err, errors.New("the process ended without a word; say that the gateway starts it"))
	}
	if strings.HasPrefix(stdout, "1|") {
		err = errors.Join(err, errors.New("the process printed a handshake line all the same"))
	}
	return err
}

func (t *trial) handshakeVersions() error {
	for _, versions := range []string{"1", "1,2", "99,1"} {
		_, fields, err := t.shake(cookie, "PLUGIN_PROTOCOL_VERSIONS="+versions)
		if err != nil {
			return fmt.Errorf("PLUGIN_PROTOCOL_VERSIONS=%s: %w", versions, err)
		}
		if len(fields) < 2 || fields[1] != "1" {
			return fmt.Errorf("PLUGIN_PROTOCOL_VERSIONS=%s: the second field is not 1 in %q", versions, strings.Join(fields, "|"))
		}
	}
	return nil
}

func (t *trial) handshakeOther() error {
	p, fields, err := t.shake(cookie, "PLUGIN_PROTOCOL_VERSIONS=99")
	if errors.Is(err, errNoHandshake) {
		if !p.awaitExit(t.o.Patience) {
			return errors.New("it prints no handshake line and goes on")
		}
		<-p.drained
		if _, stderr := p.output(); p.cmd.ProcessState.ExitCode() == 0 || stderr == "" {
			return errors.New("it ended as if all were well; say on standard error which versions there are")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if len(fields) < 2 || fields[1] == "99" {
		return errors.New("it claims to speak version 99")
	}
	if _, err := strconv.Atoi(fields[1]); err != nil {
		return fmt.Errorf("the second field is %q, want a version", fields[1])
	}
	return nil
}

var describeCases = []oneCase{
	{"describe/valid", "the manifest is one that the gateway takes", (*trial).describeValid},
	{"describe/stable", "it describes itself the same again, also in another process", (*trial).describeStable},
	{"health", "it says at once that it serves, also while calls wait", (*trial).health},
}

func (t *trial) describeValid() error {
	s, err := t.start()
	if err != nil {
		return err
	}
	m := s.manifest
	if err := host.CheckManifest(m); err != nil {
		return err
	}
	if _, err = t.o.chooseDriver(m); err != nil {
		return err
	}
	if m.MinStateSchema > m.StateSchema {
		err = fmt.Errorf("min_state_schema %d is above state_schema %d", m.MinStateSchema, m.StateSchema)
	}
	for _, d := range m.Drivers {
		if d.Kind == pluginv1.DriverKind_CHANNEL && d.Capabilities.GetChannelType() == "" {
			err = errors.Join(err, fmt.Errorf("driver %s: capabilities.channel_type says what kind of channel it is", d.Name))
		}
	}
	return err
}

func (t *trial) describeStable() error {
	one, err := t.start()
	if err != nil {
		return err
	}
	ctx, cancel := one.patience()
	defer cancel()
	info := hostInfo()
	info.ProtocolMinor, info.Generation, info.Features = 99, 7, []string{"something_new"}
	info.ProtoReflect().SetUnknown(unknownBytes())
	again, err := one.plugin.Describe(ctx, info)
	if err != nil {
		return fmt.Errorf("describe to a newer gateway: %w", plain(err))
	}
	if !proto.Equal(one.manifest, again) {
		return errors.New("the second Describe differs from the first")
	}
	two, err := t.start()
	if err != nil {
		return fmt.Errorf("second process: %w", err)
	}
	if !proto.Equal(one.manifest, two.manifest) {
		return errors.New("another process describes itself differently")
	}
	return nil
}

func (t *trial) health() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	if t.reaches {
		t.vendor.holdBack()
		s.link.post(t.message(0, "held", "hello"))
		if !t.vendor.await(t.ctx, 1, t.o.Patience) {
			return errors.New("a send did not reach the vendor")
		}
	}
	if err := s.healthy(); err != nil {
		return err
	}
	return s.servingService()
}

// healthy asks for the plugin's own report.
func (s *session) healthy() error {
	ctx, cancel := context.WithTimeout(s.t.ctx, s.t.o.Patience)
	defer cancel()
	r, err := s.plugin.CheckHealth(ctx, &pluginv1.HealthRequest{})
	if err != nil {
		return fmt.Errorf("CheckHealth: %w", plain(err))
	}
	if !r.Serving {
		return errors.New("CheckHealth: it does not serve")
	}
	for _, i := range r.Instances {
		if i.Instance == instance {
			if !i.Ok {
				return fmt.Errorf("CheckHealth: the instance is not well: %s", i.Message)
			}
			return nil
		}
	}
	return fmt.Errorf("CheckHealth names no instance %q, which is open", instance)
}
