package sdk_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func acmePlugin() sdk.Plugin {
	return sdk.Plugin{ID: "org.example.acme", Version: "1.2.0", Drivers: []sdk.Driver{
		sdk.NewChannel("acme", sdk.Capabilities{ChannelType: "sms"}, openAcme),
	}}
}

func echoPlugin() sdk.Plugin {
	return sdk.Plugin{ID: "org.example.echo", Version: "0.1.0", Drivers: []sdk.Driver{
		sdk.NewConnector("echo", sdk.Capabilities{}, openEcho),
	}}
}

// TestChannelExample runs the suite as an author would.
func TestChannelExample(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"id": "far-1"})
	}))
	defer far.Close()
	settings := AcmeSettings{URL: far.URL, From: "shop", Token: "s3cret-token"}
	sdktest.Run(t, sdktest.Config{
		Plugin: acmePlugin(), Driver: "acme", Settings: settings,
		BadSettings: []any{
			map[string]any{},
			map[string]any{"url": far.URL},
			map[string]any{"url": 7, "token": "x"},
		},
	})
}

func TestConnectorExample(t *testing.T) {
	sdktest.Run(t, sdktest.Config{
		Plugin: echoPlugin(), Driver: "echo", Settings: EchoSettings{},
		BadSettings: []any{map[string]any{"prefix": 1}},
	})
}

func TestEcho(t *testing.T) {
	g := sdktest.Start(t, echoPlugin(), "echo", "echo", map[string]any{})
	chat := sdk.Chat{Conversation: "00112233445566778899aabbccddeeff", Number: 1}
	ref, err := g.Open(t.Context(), chat, sdk.Message{ID: "m1", Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	e := g.NextEvent()
	if e.Text != "You said: hello" || e.Ref != string(ref) {
		t.Errorf("event = %q of %q, want the echo of %q", e.Text, e.Ref, ref)
	}
}
