package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// TestRoute: attributes come before the service, and that before the settings.
func TestRoute(t *testing.T) {
	base := settings{BaseURL: "https://ccsp.example.com", Queue: "all", Skills: "en", Services: map[string]serviceSettings{
		"retail": {Queue: "shop", Skills: "de", Priority: "3", RoutingPriority: "4", TQOS: "5"},
		"bank":   {Priority: "9"},
	}}
	cfg, err := base.check()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("q", maxRouting+1)
	for _, tt := range []struct {
		name       string
		service    string
		attributes map[string]string
		want       serviceSettings
		ignored    string
	}{
		{"settings", "", nil, serviceSettings{"all", "en", "-1", "0", "0"}, ""},
		{"a service that is not named", "other", nil, serviceSettings{"all", "en", "-1", "0", "0"}, ""},
		{"a service", "retail", nil, serviceSettings{"shop", "de", "3", "4", "5"}, ""},
		{"a service that sets one", "bank", nil, serviceSettings{"all", "en", "9", "0", "0"}, ""},
		{"attributes", "retail", map[string]string{"queue": " vip ", "skills": "fr,it", "priority": "7", "routing_priority": "8", "tqos": "09"},
			serviceSettings{"vip", "fr,it", "7", "8", "9"}, ""},
		{"a blank one is none", "retail", map[string]string{"queue": " "}, serviceSettings{"shop", "de", "3", "4", "5"}, ""},
		{"no numbers", "", map[string]string{"priority": "high", "routing_priority": "1.5", "tqos": "99999999999"},
			serviceSettings{"all", "en", "-1", "0", "0"}, "priority: it is not a whole number\nrouting_priority: it is not a whole number\ntqos: it is not a whole number"},
		{"no names", "", map[string]string{"queue": "a\nb", "skills": long}, serviceSettings{"all", "en", "-1", "0", "0"},
			"queue: it has control characters\nskills: it has more than 200 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ignored []string
			got := cfg.route(sdk.Chat{Service: tt.service, Attributes: tt.attributes}, func(a string, err error) {
				ignored = append(ignored, a+": "+err.Error())
			})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("route (-want +got):\n%s", diff)
			}
			if got := strings.Join(ignored, "\n"); got != tt.ignored {
				t.Errorf("ignored %q, want %q", got, tt.ignored)
			}
		})
	}
}

// joined is the body of the first joinchat.
func joined(t *testing.T, d *plugintest.Far) (fields map[string]any, params map[string]string) {
	t.Helper()
	for _, r := range d.Requests() {
		if !strings.HasSuffix(r.URI, "?joinchat") {
			continue
		}
		if err := json.Unmarshal([]byte(r.Body), &fields); err != nil {
			t.Fatal(err)
		}
		params = map[string]string{}
		list, _ := fields["OptionalParameterCount"].([]any)
		for _, p := range list {
			m := p.(map[string]any)
			params[m["key"].(string)] = m["value"].(string)
		}
		return fields, params
	}
	t.Fatal("no joinchat")
	return nil, nil
}

// TestJoinFields has each documented field of joinchat, and where it comes from.
func TestJoinFields(t *testing.T) {
	d := &plugintest.Far{Body: `{"Connection_ID":"C1"}`}
	c, host := dial(t, d, func(s *settings) {
		s.APIVersion, s.CallCenterAddress, s.Port, s.CallCenterName = "1.1", "ics", "2325", "main"
		s.TenantID, s.TenantName, s.ApplicationID, s.AccountID = "17", "acme", "a", "b"
		s.PhoneType = "CHAT"
		s.Services = map[string]serviceSettings{"retail": {Queue: "shop", TQOS: "4"}}
	})
	with := chat
	with.Ref, with.Service = "", "retail"
	with.Attributes = map[string]string{"skills": "de", "priority": "2", "routing_priority": "x"}
	if _, err := c.Open(t.Context(), with, sdk.Message{Text: "Hi"}); err != nil {
		t.Fatal(err)
	}
	got, params := joined(t, d)
	for field, want := range map[string]string{
		"API_Version": "1.1", "Call_Center_Address": "ics", "Call_Center_Port": "2325", "Call_Center_Name": "main",
		"Call_Center_QueueName": "shop", "Calling_User_HardMessage": "Hi", "Calling_User_FirstName": "Ada",
		"Calling_User_LastName": "Lovelace", "Calling_User_URL": "sms", "Calling_User_Skills": "de",
		"Calling_User_Priority": "2", "Calling_User_PhoneType": "CHAT", "TQOS": "4", "Routing_Priority": "0",
		"AccountID": "b", "ApplicationID": "a", "TenantID": "17", "TenantName": "acme",
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %q", field, got[field], want)
		}
	}
	if params["skills"] != "" || params["priority"] != "" {
		t.Errorf("%v: what has a field of its own is no parameter", params)
	}
	if log := host.Logged(); !strings.Contains(log, "attribute=routing_priority") {
		t.Errorf("log %q does not name the attribute that is ignored", log)
	}
}

// TestJoinParams: all that is known of the customer goes along, by the names
// that rules use.
func TestJoinParams(t *testing.T) {
	d := &plugintest.Far{Body: `{"Connection_ID":"C1"}`}
	c, host := dial(t, d, func(s *settings) { s.OptionalParameters = map[string]string{"PSChatSDK": "true", "topic": "none"} })
	_, err := c.Open(t.Context(), sdk.Chat{Conversation: "0123", Number: 2, Channel: "shop", ChannelType: "sms", Service: "retail",
		Customer: sdk.Customer{Address: "+4179", Name: "Ada L.", Locale: "de-CH", Timezone: "Europe/Zurich",
			Addresses: map[string]string{"facebook": "f7"}, Attributes: map[string]string{"tier": "gold", "empty": ""}},
		Attributes: map[string]string{"topic": "billing", "queue": "vip", "customer": "another", "resent": "true"},
	}, sdk.Message{Text: "Hi"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"PSChatSDK": "true", "topic": "billing", "channel": "shop", "channel_type": "sms", "service": "retail",
		"conversation": "0123", "chat": "2", "customer": "+4179", "customer.name": "Ada L.", "customer.locale": "de-CH",
		"customer.timezone": "Europe/Zurich", "customer.addresses.facebook": "f7", "customer.attributes.tier": "gold",
	}
	fields, got := joined(t, d)
	if diff := cmp.Diff(want, got); diff != "" || fields["Calling_User_FirstName"] != "Ada L." {
		t.Errorf("first name %v, parameters (-want +got):\n%s", fields["Calling_User_FirstName"], diff)
	}
	if log := host.Logged(); strings.Contains(log, "level=WARN") {
		t.Errorf("a warning for nothing: %s", log)
	}
}

// TestOpenAgain: the desk can see a chat that may be there twice.
func TestOpenAgain(t *testing.T) {
	d := &plugintest.Far{Body: `{"Connection_ID":"C1"}`}
	c, host := dial(t, d)
	if _, err := c.Open(t.Context(), chat, sdk.Message{ID: "m1", Text: "Hi", Resent: true}); err != nil {
		t.Fatal(err)
	}
	if _, params := joined(t, d); params["resent"] != "true" {
		t.Errorf("parameters %v, want resent", params)
	}
	if log := host.Logged(); !strings.Contains(log, "may have this chat twice") || !strings.Contains(log, "conversation=0123") {
		t.Errorf("log %q, want a warning that names the conversation", log)
	}
}
