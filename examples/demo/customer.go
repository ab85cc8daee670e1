package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/openccsp/gateway/examples/internal/agent"
)

// customer writes over REST and gets answers over MQTT, in a WebSocket at the
// gateway's own port, as a page in a browser does.
type customer struct {
	hook   string
	origin string // of the page
	me     registered
	client mqtt.Client
	sent   int // messages, for their ids

	mu       sync.Mutex
	got      []downlink // every message once, in the order of first arrival
	repeats  []string   // messages that had come before
	typing   string     // payload_type of the last word of it
	receipts []string   // messages to confirm
	changed  chan struct{}
}

// registered is what register answers.
type registered struct {
	AccessToken string `json:"accessToken"`
	UserID      string `json:"userId"`
	Broker      struct {
		Topic, Username, ClientID, TCP string
	}
}

// downlink is what comes over MQTT.
type downlink struct {
	TID     string `json:"tid"`
	Type    string `json:"payload_type"`
	Message string `json:"message"`
	Author  string `json:"author"`
	Part    int    `json:"part"`
	Parts   int    `json:"parts"`
}

func newCustomer(hook, origin string) *customer {
	return &customer{hook: hook, origin: origin, changed: make(chan struct{})}
}

// post calls the channel.
func (c *customer) post(ctx context.Context, path string, body, answer any) error {
	h := http.Header{"Origin": {c.origin}}
	if c.me.AccessToken != "" {
		h.Set("Accesstoken", c.me.AccessToken)
	}
	return agent.Call(ctx, http.MethodPost, c.hook+path, h, body, answer)
}

func (c *customer) register(ctx context.Context, name string) error {
	return c.post(ctx, "/register", map[string]any{
		"deviceId": "demo", "data": map[string]any{"name": name, "firstName": name},
	}, &c.me)
}

// connect connects and subscribes, and tries again until ctx ends.
func (c *customer) connect(ctx context.Context) error {
	var err error
	for attempt := 0; attempt == 0 || agent.Pause(ctx, 50*time.Millisecond); attempt++ {
		if err = c.connectOnce(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("connect over MQTT: %w", err)
}

const mqttTimeout = 30 * time.Second

func (c *customer) connectOnce() error {
	o := mqtt.NewClientOptions().
		AddBroker("ws" + strings.TrimPrefix(c.hook, "http") + "/mqtt").
		SetClientID(c.me.Broker.ClientID).SetUsername(c.me.Broker.Username).SetPassword(c.me.AccessToken).
		SetHTTPHeaders(http.Header{"Origin": {c.origin}}).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectTimeout(mqttTimeout)
	client := mqtt.NewClient(o)
	if err := wait(client.Connect()); err != nil {
		return err
	}
	if err := wait(client.Subscribe(c.me.Broker.Topic, 1, c.receive)); err != nil {
		client.Disconnect(0)
		return err
	}
	c.client = client
	return nil
}

func wait(t mqtt.Token) error {
	if !t.WaitTimeout(mqttTimeout) {
		return errors.New("no answer in time")
	}
	return t.Error()
}

// disconnect goes offline.
func (c *customer) disconnect() { c.client.Disconnect(0) }

// receive takes what came, shows each message once, and remembers to confirm it.
func (c *customer) receive(_ mqtt.Client, m mqtt.Message) {
	var d downlink
	if json.Unmarshal(m.Payload(), &d) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.touch()
	if d.TID == "" {
		if strings.HasPrefix(d.Type, "typing") { // and no receipt or event
			c.typing = d.Type
		}
		return
	}
	c.receipts = append(c.receipts, d.TID)
	for _, known := range c.got {
		if known.TID == d.TID {
			c.repeats = append(c.repeats, d.Message)
			return
		}
	}
	c.got = append(c.got, d)
}

// touch wakes those who wait. c.mu is held.
func (c *customer) touch() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until f, which sees the messages so far, is true, and then
// confirms all that came.
func (c *customer) await(ctx context.Context, what string, f func(got []downlink) bool) error {
	ctx, cancel := context.WithTimeout(ctx, agent.StepLimit)
	defer cancel()
	for {
		c.mu.Lock()
		done, changed, n := f(c.got), c.changed, len(c.got)
		c.mu.Unlock()
		if done {
			return c.confirm(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the customer did not get %s; %d messages came in all", what, n)
		}
	}
}

// next waits until n more messages are there than there were, and returns them.
func (c *customer) next(ctx context.Context, seen, n int) ([]downlink, error) {
	var list []downlink
	err := c.await(ctx, fmt.Sprintf("%d more messages", n), func(got []downlink) bool {
		list = got[min(seen, len(got)):]
		return len(list) >= n
	})
	return list, err
}

// seesTyping says whether the agent types, for all that the customer knows.
func (c *customer) seesTyping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.typing == "typingStart"
}

// count returns how many messages have come.
func (c *customer) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

// repeated returns the messages that came more than once.
func (c *customer) repeated() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.repeats)
}

// confirm tells the gateway what has arrived: only then it is done.
func (c *customer) confirm(ctx context.Context) error {
	c.mu.Lock()
	tids := c.receipts
	c.receipts = nil
	c.mu.Unlock()
	for len(tids) > 0 {
		n := min(len(tids), 100)
		if err := c.post(ctx, "/deliveryupdate", map[string]any{"tids": tids[:n], "status": 2}, nil); err != nil {
			return err
		}
		tids = tids[n:]
	}
	return nil
}

// write sends a message and tries again, with the same id, until the gateway
// has said that it is durable. It returns how often it tried.
func (c *customer) write(ctx context.Context, text string) (int, error) {
	c.sent++
	body := map[string]any{"tid": fmt.Sprintf("m%d", c.sent), "message": text}
	for attempt := 1; ; attempt++ {
		err := c.post(ctx, "/mo", body, nil)
		if err == nil {
			return attempt, nil
		}
		if r, ok := errors.AsType[*agent.Refusal](err); ok && r.Status < 500 {
			return attempt, err
		}
		if !agent.Pause(ctx, 20*time.Millisecond) {
			return attempt, err
		}
	}
}
