package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// joinData is the body of joinchat. The last field is, whatever its name says,
// a list of pairs, or "" if there are none.
type joinData struct {
	APIVersion      string `json:"API_Version"`
	Address         string `json:"Call_Center_Address"`
	Port            string `json:"Call_Center_Port"`
	Name            string `json:"Call_Center_Name,omitempty"`
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
	TenantName      string `json:"TenantName,omitempty"`
	Params          any    `json:"OptionalParameterCount"`
}

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Open implements sdk.Connector: joinchat. What has no room in it follows.
func (c *connector) Open(ctx context.Context, chat sdk.Chat, first sdk.Message) (sdk.ChatRef, error) {
	chat.Ref = ""
	what, err := c.content(ctx, chat, c.progress.of("", first.ID), first)
	if err != nil {
		return "", err
	}
	text := ""
	if len(what.texts) > 0 {
		text, what.texts = what.texts[0], what.texts[1:]
	}
	if first.Resent {
		c.host.Log().Warn("joinchat is made again, because its answer was lost; the contact center may have this chat twice",
			"conversation", chat.Conversation, "chat", chat.Number)
	}
	ref, err := c.join(ctx, c.joinData(chat, text, first.Resent))
	if err != nil {
		return "", err
	}
	c.progress.forget("", first.ID)
	c.paces.traffic(ref)
	chat.Ref = ref
	c.follow(ctx, chat, what)
	return ref, nil
}

func (c *connector) join(ctx context.Context, d joinData) (sdk.ChatRef, error) {
	a, err := c.client.post(ctx, "joinchat", d)
	if err != nil {
		return "", err
	}
	if err := c.client.refused("joinchat", a); err != nil {
		return "", ccsp.Resend(err)
	}
	return readJoined(a)
}

// readJoined reads the answer to joinchat.
func readJoined(a ccsp.Answer) (sdk.ChatRef, error) {
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
	return sdk.ChatRef(joined.ID), nil
}

func (c *connector) joinData(chat sdk.Chat, text string, resent bool) joinData {
	s, who := c.cfg.settings, chat.Customer
	to := s.route(chat, func(attribute string, err error) {
		c.host.Log().Warn("attribute ignored", "conversation", chat.Conversation, "attribute", attribute, "err", err)
	})
	d := joinData{
		APIVersion: s.APIVersion, Address: s.CallCenterAddress, Port: s.Port, Name: s.CallCenterName, Queue: to.Queue,
		HardMessage: text, FirstName: who.FirstName, LastName: who.LastName, URL: s.SourceTag, Skills: to.Skills,
		Priority: to.Priority, PhoneType: s.PhoneType, TQOS: to.TQOS, RoutingPriority: to.RoutingPriority,
		AccountID: s.AccountID, ApplicationID: s.ApplicationID, TenantID: s.TenantID, TenantName: s.TenantName,
		Params: c.joinParams(chat, resent),
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

// joinParams tells the agent's side what is known beside the fields. The
// settings come first, so that none of theirs can pretend to be ours.
func (c *connector) joinParams(chat sdk.Chat, resent bool) any {
	all := maps.Clone(c.cfg.OptionalParameters)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, facts(chat))
	if resent {
		all["resent"] = "true"
	}
	return pairs(all)
}

// facts are where a chat comes from and what is known of its customer, by the
// names that rules use. Attributes come first: none can pretend to be another
// chat. Those that route the chat are in fields of their own.
func facts(chat sdk.Chat) map[string]string {
	all := maps.Clone(chat.Attributes)
	if all == nil {
		all = map[string]string{}
	}
	for _, f := range new(serviceSettings).fields() {
		delete(all, f.name)
	}
	delete(all, "resent")
	who := chat.Customer
	ours := map[string]string{
		"channel": chat.Channel, "channel_type": chat.ChannelType, "customer": who.Address,
		"conversation": chat.Conversation, "service": chat.Service,
		"customer.name": who.Name, "customer.locale": who.Locale, "customer.timezone": who.Timezone,
	}
	if chat.Number > 0 {
		ours["chat"] = strconv.Itoa(chat.Number)
	}
	for k, v := range who.Addresses {
		ours["customer.addresses."+k] = v
	}
	for k, v := range who.Attributes {
		ours["customer.attributes."+k] = v
	}
	for k, v := range ours {
		if v != "" {
			all[k] = v
		}
	}
	return all
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
