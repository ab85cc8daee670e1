package sdktest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// settings of the driver under test; Fault is what it does wrong.
type settings struct {
	Fault string `json:"fault"`
	Key   string `json:"key" jsonschema_extras:"x-secret=true"`
}

type channel struct {
	fault string
	host  sdk.Host
}

func open(_ context.Context, s settings, h sdk.Host) (*channel, error) {
	if s.Fault == "bad" {
		return nil, errors.New("that is bad")
	}
	if s.Fault == "talkative" {
		h.Log().Info("opened", "key", s.Key)
	}
	return &channel{s.Fault, h}, nil
}

func (c *channel) Send(ctx context.Context, _ sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	switch c.fault {
	case "panics":
		panic("at the first message")
	case "deaf":
		time.Sleep(10 * time.Second) // whatever ctx says
	case "leaks":
		go func() { select {} }()
	}
	return sdk.Receipt{MessageID: m.ID}, nil
}

func (c *channel) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	if c.fault != "gullible" {
		return sdk.WebhookResponse{Status: 401}, nil
	}
	return sdk.WebhookResponse{Events: []sdk.Event{{Type: sdk.CustomerMessage, Text: string(r.Body)}}}, nil
}

func plugin() sdk.Plugin {
	return sdk.Plugin{ID: "org.example.faulty", Version: "1.0.0", Drivers: []sdk.Driver{
		sdk.NewChannel("faulty", sdk.Capabilities{ChannelType: "sms"}, open),
	}}
}

// TestFaultyDriver is the suite on a driver with the fault of the environment;
// without one it passes.
func TestFaultyDriver(t *testing.T) {
	sdktest.Run(t, sdktest.Config{
		Plugin: plugin(), Driver: "faulty",
		Settings:    settings{Fault: os.Getenv("SDKTEST_FAULT"), Key: "a-very-secret-key"},
		BadSettings: []any{settings{Fault: "bad"}},
	})
}

// TestSuiteFindsFaults runs the suite in a process of its own for each fault.
func TestSuiteFindsFaults(t *testing.T) {
	for fault, test := range map[string]string{
		"panics":    "SameMessageTwice",
		"deaf":      "Deadline",
		"leaks":     "CloseReleases",
		"talkative": "SecretsStaySecret",
		"gullible":  "Abilities",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFaultyDriver$/^"+test+"$", "-test.timeout=5m")
			cmd.Env = append(os.Environ(), "SDKTEST_FAULT="+fault)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFaultyDriver/"+test) {
				t.Errorf("the suite does not find it: %v\n%s", err, out)
			}
		})
	}
}
