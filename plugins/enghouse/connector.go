package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// connector is one tenant of a contact center.
type connector struct {
	cfg    config
	host   sdk.Host
	client *client
	paces  paces
}

func open(_ context.Context, s settings, h sdk.Host) (*connector, error) {
	cfg, err := s.check()
	if err != nil {
		return nil, err
	}
	c := &connector{cfg: cfg, host: h, client: newClient(cfg, h.Now)}
	c.paces = newPaces(cfg, h.Now)
	return c, nil
}

// Validate implements sdk.Validator: it asks the server for the events of a
// chat that does not exist. Any answer of a web server is good enough, because
// what the API says to that is nowhere documented.
func (s settings) Validate(ctx context.Context) error {
	cfg, err := s.check()
	if err != nil {
		return err
	}
	c := newClient(cfg, time.Now)
	defer c.close()
	a, err := c.events(ctx, "0", 0)
	if err != nil {
		return fmt.Errorf("base_url: %w", err)
	}
	switch {
	case a.Status >= 300 && a.Status < 400:
		return fmt.Errorf("base_url: the server redirects to %q; set base_url to the final address",
			a.Header.Get("Location"))
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden, a.Status == http.StatusProxyAuthRequired:
		return fmt.Errorf("base_url: HTTP %d; set basic_auth, extra_headers or tls", a.Status)
	case a.Status >= 500:
		return fmt.Errorf("base_url: the server answers HTTP %d", a.Status)
	}
	return nil
}

// joinData is the body of joinchat. The last field is, whatever its name says,
// a list of pairs, or "" if there are none.
type joinData struct {
	APIVersion      string `json:"API_Version"`
	Address         string `json:"Call_Center_Address"`
	Port            string `json:"Call_Center_Port"`
	Queue           string `json:"Call_Center_QueueName"`
	HardMessage     string `json:"Calling_User_HardMessage"`
	FirstName       string `json:"Calling_User_FirstName"`
	LastName        string `json:"Calling_User_LastName"`
	URL             string `json:"Calling_User_URL"`
	Skills          string `json:"Calling_User_Skills"`
	Priority        string `json:"Calling_User_Priority"`
	PhoneType       string `json:"Calling_User_PhoneType,omitempty"`
	TQOS            string `json:"TQOS"`
	RoutingPriority string `json:"Routing_Priority"`
	AccountID       string `json:"AccountID"`
	ApplicationID   string `json:"ApplicationID"`
	TenantID        string `json:"TenantID"`
	Params          any    `json:"OptionalParameterCount"`
}

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Open implements sdk.Connector: joinchat.
func (c *connector) Open(ctx context.Context, chat sdk.Chat, first sdk.Message) (sdk.ChatRef, error) {
	text, err := agentText(first)
	if err != nil {
		return "", err
	}
	a, err := c.client.post(ctx, "joinchat", c.joinData(chat, text))
	if err != nil {
		return "", err
	}
	if err := c.client.refused("joinchat", a); err != nil {
		return "", ccsp.Resend(err)
	}
	if a.Err != nil || !json.Valid(a.Body) {
		return "", ccsp.Resend(sdk.Ambiguous(errors.New("joinchat: the answer is not JSON; a chat may have been opened")))
	}
	var joined struct {
		ID loose `json:"Connection_ID"`
	}
	// The SDK of the vendor uses -1 for not connected.
	if err := json.Unmarshal(a.Body, &joined); err != nil || joined.ID == "" || joined.ID == "-1" || joined.ID == "0" {
		return "", sdk.Retry(errors.New("joinchat: the answer has no Connection_ID; no chat was opened"), 5*time.Second)
	}
	c.paces.traffic(sdk.ChatRef(joined.ID))
	return sdk.ChatRef(joined.ID), nil
}

func (c *connector) joinData(chat sdk.Chat, text string) joinData {
	s, who := c.cfg.settings, chat.Customer
	d := joinData{
		APIVersion: "1.0", Address: s.CallCenterAddress, Port: s.Port, Queue: s.Queue, HardMessage: text,
		FirstName: who.FirstName, LastName: who.LastName, URL: s.SourceTag, Skills: s.Skills, Priority: s.Priority,
		PhoneType: s.PhoneType, TQOS: s.TQOS, RoutingPriority: s.RoutingPriority, AccountID: s.AccountID,
		ApplicationID: s.ApplicationID, TenantID: s.TenantID, Params: c.joinParams(chat),
	}
	for _, name := range []string{who.Name, who.Address} {
		if d.FirstName == "" && d.LastName == "" {
			d.FirstName = name
		}
	}
	for _, source := range []string{chat.ChannelType, chat.Channel} {
		if d.URL == "" {
			d.URL = source
		}
	}
	return d
}

// joinParams tells the agent's side where the chat comes from. Attributes come
// after the settings, and ours last: none can pretend to be another chat.
func (c *connector) joinParams(chat sdk.Chat) any {
	all := maps.Clone(c.cfg.OptionalParameters)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, chat.Attributes)
	ours := map[string]string{"channel": chat.Channel, "channel_type": chat.ChannelType, "customer": chat.Customer.Address,
		"conversation": chat.Conversation, "service": chat.Service}
	if chat.Number > 0 {
		ours["chat"] = strconv.Itoa(chat.Number)
	}
	for k, v := range ours {
		if v != "" {
			all[k] = v
		}
	}
	return pairs(all)
}

// pairs are sorted, so that a call repeated is the same bytes.
func pairs(m map[string]string) any {
	if len(m) == 0 {
		return ""
	}
	list := make([]pair, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, pair{k, m[k]})
	}
	return list
}

// Send implements sdk.Connector: sendmsg. The far side gives messages no id.
func (c *connector) Send(ctx context.Context, chat sdk.Chat, m sdk.Message) (sdk.Receipt, error) {
	text, err := agentText(m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	if text == "" {
		return sdk.Receipt{}, sdk.Rejected("no_text", "the message has nothing that the agent's desk could show")
	}
	return sdk.Receipt{}, c.tell(ctx, "sendmsg", chat.Ref, struct {
		ID   sdk.ChatRef `json:"Connection_ID"`
		Text string      `json:"Message_Text"`
	}{chat.Ref, text})
}

// SendEvent implements sdk.EventSender: fireevent.
func (c *connector) SendEvent(ctx context.Context, chat sdk.Chat, name string, params map[string]string) error {
	return c.tell(ctx, "fireevent", chat.Ref, struct {
		ID     sdk.ChatRef `json:"Connection_ID"`
		Name   string      `json:"Fire_Event_Name"`
		Params any         `json:"OptionalParameterCount"`
	}{chat.Ref, name, pairs(params)})
}

// TypingToChat implements sdk.ChatTyper: typingmsg.
func (c *connector) TypingToChat(ctx context.Context, chat sdk.Chat, on bool) error {
	status := 2
	if on {
		status = 1
	}
	return c.tell(ctx, "typingmsg", chat.Ref, struct {
		ID     sdk.ChatRef `json:"Connection_ID"`
		Status int         `json:"typing_status"`
	}{chat.Ref, status})
}

// Close implements sdk.Connector: leavechat. The far side takes no reason.
func (c *connector) Close(ctx context.Context, chat sdk.Chat, _ string) error {
	err := c.tell(ctx, "leavechat", chat.Ref, struct {
		ID sdk.ChatRef `json:"Connection_ID"`
	}{chat.Ref})
	if errors.Is(err, sdk.ErrChatGone) {
		err = nil // closed already
	}
	if err == nil {
		c.paces.forget(chat.Ref)
	}
	return ccsp.AsRetry(err) // leaving twice does no harm
}

// CloseInstance implements sdk.Closer.
func (c *connector) CloseInstance(context.Context) error {
	c.client.close()
	return nil
}

// tell makes a call whose good answer is 200 with anything in it, commonly
// nothing. A web page is no such answer: a proxy wrote it.
func (c *connector) tell(ctx context.Context, verb string, ref sdk.ChatRef, body any) error {
	c.paces.traffic(ref)
	a, err := c.client.post(ctx, verb, body)
	switch {
	case err != nil:
		return err
	case gone(a):
		return fmt.Errorf("%w: %s: HTTP %d", sdk.ErrChatGone, verb, a.Status)
	}
	if err := c.client.refused(verb, a); err != nil {
		return ccsp.Resend(err)
	}
	if a.HTML() {
		return ccsp.Resend(sdk.Ambiguous(fmt.Errorf("%s: a web page came back in place of the API's answer", verb)))
	}
	return nil
}
