package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	mqttclient "github.com/eclipse/paho.mqtt.golang"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// rtmScene is a customer in an app, with the MQTT client of the Eclipse
// Foundation: a talk, and word of what was read.
func rtmScene() scene {
	var c rtmCustomer
	return scene{
		name: "rtm",
		prepare: func(context.Context, *stage) (hcl string, err error) {
			if c.mqtt, err = rig.FreeAddress(); err != nil {
				return "", err
			}
			return fmt.Sprintf("channel \"rtm\" \"rtm\" {\n  settings {\n    app_id      = \"demo\"\n    mqtt_listen = %q\n  }\n}\n", c.mqtt), nil
		},
		play: func(ctx context.Context, s *stage) error {
			c.s, c.hook = s, s.home.Hook("rtm")
			return c.play(ctx)
		},
	}
}

// rtmCustomer is a customer's app.
type rtmCustomer struct {
	s          *stage
	hook, mqtt string
	token      string
	got        chan rtmMessage
}

type rtmMessage struct {
	TID         string
	PayloadType string `json:"payload_type"`
	Message     string
}

func (c *rtmCustomer) play(ctx context.Context) error {
	client, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Disconnect(250)
	var m rtmMessage
	write := func(ctx context.Context, text string) error {
		return c.post(ctx, "/mo", map[string]any{"tid": "c1", "message": text}, nil)
	}
	read := func(ctx context.Context, answer string) (err error) {
		m, err = c.wait(ctx, answer)
		return err
	}
	a, err := c.s.talk(ctx, "Where is my parcel?", "It comes today.", write, read)
	if err != nil {
		return err
	}
	if err := c.post(ctx, "/deliveryupdate", map[string]any{"tids": []string{m.TID}, "status": 3}, nil); err != nil {
		return err
	}
	if err := c.post(ctx, "/typing", map[string]any{"on": true}, nil); err != nil {
		return err
	}
	// Over MQTT, too: the broker's acknowledgement comes when it is durable.
	text := `{"tid":"c2","message":"Thank you"}`
	c.s.out.in("PUBLISH demo/…/mo QoS 1 " + text)
	if t := client.Publish(c.topic(client)+"/mo", 1, false, text); !t.WaitTimeout(10*time.Second) || t.Error() != nil {
		return fmt.Errorf("publish: %w", errors.Join(errors.New("no PUBACK"), t.Error()))
	}
	if _, err := c.wait(ctx, ""); err != nil {
		return err
	}
	if err := a.Say(ctx, "You are welcome."); err != nil {
		return err
	}
	_, err = c.wait(ctx, "You are welcome.")
	return err
}

// connect registers and subscribes.
func (c *rtmCustomer) connect(ctx context.Context) (mqttclient.Client, error) {
	var answer struct {
		AccessToken string
		Broker      struct{ TCP, Username, ClientID, Topic string }
	}
	if err := c.post(ctx, "/register", map[string]any{"deviceId": "phone", "data": map[string]string{"name": "Ada"}}, &answer); err != nil {
		return nil, err
	}
	c.token = answer.AccessToken
	c.got = make(chan rtmMessage, 16)
	o := mqttclient.NewClientOptions().AddBroker("tcp://" + answer.Broker.TCP).SetClientID(answer.Broker.ClientID).
		SetUsername(answer.Broker.Username).SetPassword(c.token)
	client := mqttclient.NewClient(o)
	c.s.out.in("CONNECT " + answer.Broker.Username + ", SUBSCRIBE " + answer.Broker.Topic)
	for _, do := range []func() mqttclient.Token{client.Connect, func() mqttclient.Token {
		return client.Subscribe(answer.Broker.Topic, 1, c.took)
	}} {
		if t := do(); !t.WaitTimeout(10*time.Second) || t.Error() != nil {
			return nil, fmt.Errorf("connect to the broker: %w", t.Error())
		}
	}
	return client, nil
}

func (c *rtmCustomer) topic(client mqttclient.Client) string {
	o := client.OptionsReader()
	return o.Username()
}

func (c *rtmCustomer) took(_ mqttclient.Client, m mqttclient.Message) {
	c.s.out.out(fmt.Sprintf("PUBLISH QoS %d %s", m.Qos(), m.Payload()))
	var got rtmMessage
	if json.Unmarshal(m.Payload(), &got) == nil && (got.PayloadType == "message" || got.PayloadType == "ack") {
		c.got <- got
	}
}

// wait waits for a message with a text.
func (c *rtmCustomer) wait(ctx context.Context, text string) (rtmMessage, error) {
	for {
		select {
		case m := <-c.got:
			if m.Message == text {
				return m, nil
			}
		case <-ctx.Done():
			return rtmMessage{}, fmt.Errorf("no message %q: %w", text, ctx.Err())
		}
	}
}

// post sends JSON to the channel's hook.
func (c *rtmCustomer) post(ctx context.Context, path string, body map[string]any, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.hook+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		r.Header.Set("Accesstoken", c.token)
	}
	c.s.out.in("POST /hooks/rtm" + path + " " + string(text))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	c.s.out.out(resp.Status + " " + string(said))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s: %s", path, resp.Status)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(said, answer)
}
