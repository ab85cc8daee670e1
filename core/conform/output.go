package conform

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

var outputCases = []oneCase{
	{"output/stdout", "standard output carries the handshake line and nothing else", (*trial).outputStdout},
	{"output/lines", "what it writes to standard error are lines that the gateway can log", (*trial).outputLines},
	{"output/secrets", "neither secrets nor texts are written", (*trial).outputSecrets},
	{"output/closed", "it goes on when nobody reads its standard error", (*trial).outputClosed},
}

const canaryText = "a text that is nobody's business"

// talkative makes the plugin do what it may have something to say about.
func (t *trial) talkative(p *process) (*session, error) {
	if t.blocked != nil {
		return nil, t.blocked
	}
	s, err := t.startProcess(p)
	if err != nil {
		return nil, err
	}
	if _, err := s.openWith(&pluginv1.InstanceSpec{Revision: 1, Settings: []byte("garbage")}); err != nil {
		return nil, err
	}
	if err := t.open(s); err != nil {
		return nil, err
	}
	strange := t.message(1, "strange", canaryText)
	strange.Instance = "surely_unknown"
	for _, f := range []*pluginv1.HostFrame{t.message(0, "one", canaryText), t.call(0, &pluginv1.Call{Op: 999}), strange} {
		if _, err := s.ask(f); err != nil {
			return nil, err
		}
	}
	if t.has(pluginv1.AbilityWebhook) {
		if _, err := s.ask(&pluginv1.HostFrame{Instance: instance, DeadlineMs: 10_000,
			Body: &pluginv1.HostFrame_Webhook{Webhook: &pluginv1.WebhookRequest{Method: "POST", Path: "/", Body: []byte("{")}}}); err != nil {
			return nil, err
		}
	}
	if _, err := s.drain(drainTime, false); err != nil {
		return nil, err
	}
	if err := s.closeInstance(); err != nil {
		return nil, err
	}
	return s, nil
}

// said ends the process and returns what it wrote.
func (s *session) said() (stdout, stderr string) {
	_ = s.proc.stdin.Close()
	s.proc.awaitExit(s.t.o.Patience)
	s.proc.kill()
	return s.proc.output()
}

func (t *trial) outputStdout() error {
	s, err := t.talkative(t.process())
	if err != nil {
		return err
	}
	stdout, _ := s.said()
	_, rest, _ := strings.Cut(stdout, "\n")
	if rest != "" {
		return fmt.Errorf("standard output goes on with %q; log to standard error", clip(rest, 80))
	}
	return nil
}

func (t *trial) outputLines() error {
	s, err := t.talkative(t.process())
	if err != nil {
		return err
	}
	_, stderr := s.said()
	if len(stderr) >= maxOutput {
		return fmt.Errorf("more than %d MiB in standard error", maxOutput>>20)
	}
	if stderr != "" && !strings.HasSuffix(stderr, "\n") {
		err = errors.New("the last line of standard error does not end")
	}
	for line := range strings.Lines(stderr) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case len(line) > 64<<10:
			err = errors.Join(err, fmt.Errorf("a line of %d bytes in standard error, which the gateway cuts at 64 KiB", len(line)))
		case !utf8.ValidString(line):
			err = errors.Join(err, fmt.Errorf("a line in standard error is not UTF-8: %q", clip(line, 80)))
		case strings.HasPrefix(line, "{") && !json.Valid([]byte(line)):
			err = errors.Join(err, fmt.Errorf("a line in standard error looks like JSON and is not: %q; lines of two threads may be mixed", clip(line, 80)))
		}
	}
	return err
}

func (t *trial) outputSecrets() error {
	s, err := t.talkative(t.process())
	if err != nil {
		return err
	}
	stdout, stderr := s.said()
	if strings.Contains(stdout+stderr, canaryText) {
		err = errors.New("the text of a message is in the output")
	}
	_, secrets := t.settings()
	for name, value := range secrets {
		if len(value) >= 6 && strings.Contains(stdout+stderr, string(value)) {
			err = errors.Join(err, fmt.Errorf("the value of %q, a secret, is in the output", name))
		}
	}
	return err
}

func (t *trial) outputClosed() error {
	p := t.process()
	p.deaf = true
	s, err := t.talkative(p)
	if err != nil {
		return err
	}
	if err := t.open(s); err != nil {
		return err
	}
	return s.answersAs("still here", 0)
}
