package main

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Run(t, sdktest.Config{
		Plugin:      plugin(),
		Driver:      "rtm",
		Settings:    Settings{AppID: "webshop", Secret: testSecret, MQTTListen: "127.0.0.1:0"},
		BadSettings: []any{Settings{}, Settings{AppID: "a/b"}, Settings{AppID: "webshop", TokenTTL: "soon"}},
		Customer:    sdk.Customer{Address: "alice"},
	})
}

// A whole conversation through the frames between plugin and gateway:
// registration, MQTT over WebSocket, messages both ways, receipts, typing.
func TestThroughGateway(t *testing.T) {
	g := sdktest.Start(t, plugin(), "webshop", "rtm", map[string]any{"app_id": "webshop"})
	call := func(path, body, token string) sdk.WebhookResponse {
		t.Helper()
		resp, err := g.Webhook(t.Context(), &sdk.WebhookRequest{
			Method: "POST", Path: path, Body: []byte(body), RemoteAddr: "192.0.2.1",
			Header: http.Header{"Content-Type": {"application/json"}, "Accesstoken": {token}},
		})
		if err != nil || resp.Status != 200 {
			t.Fatalf("POST %s: %d %s %v", path, resp.Status, resp.Body, err)
		}
		return resp
	}
	resp, err := g.Webhook(t.Context(), &sdk.WebhookRequest{
		Method: "POST", Path: "/register", Body: []byte(`{"data":{"name":"Ada"}}`),
		Header: http.Header{"Content-Type": {"application/json"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	reg := into[registered](t, resp)
	g.SetUndelivered(reg.UserID, text(1))

	conn, err := g.Dial(t.Context(), &sdk.WebhookRequest{Method: "GET", Path: "/mqtt", Header: http.Header{}}, "mqtt")
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn, 4)
	if code := c.connect(as(reg)); code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	if code := c.subscribe(reg.Broker["topic"], 1, 1); code != 1 {
		t.Fatalf("SUBACK %#x", code)
	}
	if _, err := g.Send(t.Context(), sdk.Customer{Address: reg.UserID}, text(2)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"message 1", "message 2"}, c.texts(2)); diff != "" {
		t.Error(diff)
	}

	events := call("/mo", `{"tid":"c1","message":"hello"}`, reg.AccessToken).Events
	if len(events) != 1 || events[0].Text != "hello" || events[0].Customer.Name != "Ada" {
		t.Errorf("events %+v", events)
	}
	events = call("/deliveryupdate", `{"tids":["c.1.1","c.1.2"],"status":2}`, reg.AccessToken).Events
	if len(events) != 2 || events[1].MessageID != "c.1.2" || events[1].Customer.Address != reg.UserID {
		t.Errorf("events %+v", events)
	}
	call("/typing", `{"on":true}`, reg.AccessToken)
	if got := <-g.TypingReports(); !got.On || got.Address != reg.UserID {
		t.Errorf("typing %+v", got)
	}
	if g.Secret("secret") == "" {
		t.Error("the secret that was made was not saved")
	}
	if err := g.Reconfigure(t.Context(), map[string]any{"app_id": "webshop", "max_message": 10}); err != nil {
		t.Fatal(err)
	}
	call("/mo", `{"message":"again"}`, reg.AccessToken)
}
