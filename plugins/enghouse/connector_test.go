package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

const jsonUTF8 = "application/json; charset=utf-8"

// TestTranscript checks every byte that goes out.
func TestTranscript(t *testing.T) {
	const dll = "/scripts/ChatExtension.DLL?"
	for _, tt := range []struct {
		name   string
		change func(*settings)
		answer string
		call   func(*testing.T, *connector) error
		want   plugintest.Request
	}{{
		name: "joinchat", answer: `{"Connection_ID":"C1"}`,
		call: func(t *testing.T, c *connector) error {
			ref, err := c.Open(t.Context(), chat, sdk.Message{Text: `Hi <b> & "you" 😀`})
			if ref != "C1" {
				t.Errorf("ref = %q, want C1", ref)
			}
			return err
		},
		want: plugintest.Request{Method: "POST", URI: dll + "joinchat", Type: jsonUTF8, Body: `{"API_Version":"1.0","Call_Center_Address":"",` +
			`"Call_Center_Port":"2324","Call_Center_QueueName":"retail","Calling_User_HardMessage":"Hi <b> & \"you\" 😀",` +
			`"Calling_User_FirstName":"Ada","Calling_User_LastName":"Lovelace","Calling_User_URL":"sms",` +
			`"Calling_User_Skills":"","Calling_User_Priority":"-1","TQOS":"0","Routing_Priority":"0","AccountID":"0",` +
			`"ApplicationID":"","TenantID":"","OptionalParameterCount":[{"key":"channel","value":"shop"},` +
			`{"key":"channel_type","value":"sms"},{"key":"chat","value":"2"},{"key":"conversation","value":"0123"},` +
			`{"key":"customer","value":"+4179"}]}`},
	}, {
		name: "joinchat with everything set, a number for an id", answer: `{"Connection_ID":77}`,
		change: func(s *settings) {
			*s = settings{BaseURL: s.BaseURL, Path: "/x/Chat.dll", CallCenterAddress: "ics", Port: "1", Queue: "q",
				TenantID: "t", ApplicationID: "a", AccountID: "b", Skills: "s", Priority: "5", RoutingPriority: "6",
				TQOS: "7", PhoneType: "CHAT", SourceTag: "web",
				OptionalParameters: map[string]string{"PSChatSDK": "true", "tier": "low"}}
		},
		call: func(t *testing.T, c *connector) error {
			ref, err := c.Open(t.Context(), sdk.Chat{Customer: sdk.Customer{Address: "+41"},
				Attributes: map[string]string{"tier": "gold", "customer": "another"}}, sdk.Message{Text: "Hi"})
			if ref != "77" {
				t.Errorf("ref = %q, want 77", ref)
			}
			return err
		},
		want: plugintest.Request{Method: "POST", URI: "/x/Chat.dll?joinchat", Type: jsonUTF8, Body: `{"API_Version":"1.0","Call_Center_Address":"ics",` +
			`"Call_Center_Port":"1","Call_Center_QueueName":"q","Calling_User_HardMessage":"Hi",` +
			`"Calling_User_FirstName":"+41","Calling_User_LastName":"","Calling_User_URL":"web","Calling_User_Skills":"s",` +
			`"Calling_User_Priority":"5","Calling_User_PhoneType":"CHAT","TQOS":"7","Routing_Priority":"6",` +
			`"AccountID":"b","ApplicationID":"a","TenantID":"t","OptionalParameterCount":[` +
			`{"key":"PSChatSDK","value":"true"},{"key":"customer","value":"+41"},{"key":"tier","value":"gold"}]}`},
	}, {
		name: "joinchat without parameters", answer: `{"Connection_ID":"C1"}`,
		call: func(t *testing.T, c *connector) error {
			_, err := c.Open(t.Context(), sdk.Chat{}, sdk.Message{Text: "Hi"})
			return err
		},
		want: plugintest.Request{Method: "POST", URI: dll + "joinchat", Type: jsonUTF8, Body: `{"API_Version":"1.0","Call_Center_Address":"",` +
			`"Call_Center_Port":"2324","Call_Center_QueueName":"retail","Calling_User_HardMessage":"Hi",` +
			`"Calling_User_FirstName":"","Calling_User_LastName":"","Calling_User_URL":"","Calling_User_Skills":"",` +
			`"Calling_User_Priority":"-1","TQOS":"0","Routing_Priority":"0","AccountID":"0","ApplicationID":"",` +
			`"TenantID":"","OptionalParameterCount":""}`},
	}, {
		name: "sendmsg",
		call: func(t *testing.T, c *connector) error {
			_, err := c.Send(t.Context(), chat, sdk.Message{Text: "a\nb"})
			return err
		},
		want: plugintest.Request{Method: "POST", URI: dll + "sendmsg", Type: jsonUTF8, Body: `{"Connection_ID":"C1","Message_Text":"a\nb"}`},
	}, {
		name: "typing starts",
		call: func(t *testing.T, c *connector) error { return c.TypingToChat(t.Context(), chat, true) },
		want: plugintest.Request{Method: "POST", URI: dll + "typingmsg", Type: jsonUTF8, Body: `{"Connection_ID":"C1","typing_status":1}`},
	}, {
		name: "typing stops",
		call: func(t *testing.T, c *connector) error { return c.TypingToChat(t.Context(), chat, false) },
		want: plugintest.Request{Method: "POST", URI: dll + "typingmsg", Type: jsonUTF8, Body: `{"Connection_ID":"C1","typing_status":2}`},
	}, {
		name: "fireevent",
		call: func(t *testing.T, c *connector) error {
			return c.SendEvent(t.Context(), chat, "vip", map[string]string{"b": "2", "a": "1"})
		},
		want: plugintest.Request{Method: "POST", URI: dll + "fireevent", Type: jsonUTF8, Body: `{"Connection_ID":"C1","Fire_Event_Name":"vip",` +
			`"OptionalParameterCount":[{"key":"a","value":"1"},{"key":"b","value":"2"}]}`},
	}, {
		name: "fireevent without parameters",
		call: func(t *testing.T, c *connector) error { return c.SendEvent(t.Context(), chat, "vip", nil) },
		want: plugintest.Request{Method: "POST", URI: dll + "fireevent", Type: jsonUTF8,
			Body: `{"Connection_ID":"C1","Fire_Event_Name":"vip","OptionalParameterCount":""}`},
	}, {
		name: "leavechat",
		call: func(t *testing.T, c *connector) error { return c.Close(t.Context(), chat, "timed_out") },
		want: plugintest.Request{Method: "POST", URI: dll + "leavechat", Type: jsonUTF8, Body: `{"Connection_ID":"C1"}`},
	}, {
		name: "getevents",
		call: func(t *testing.T, c *connector) error {
			_, err := c.Poll(t.Context(), sdk.Chat{Ref: "a b&c"}, []byte(`{"v":1,"last":12}`))
			return err
		},
		want: plugintest.Request{Method: "GET", URI: dll + "command=getevents&Connection_ID=a+b%26c&Last_Event_ID=12"},
	}} {
		t.Run(tt.name, func(t *testing.T) {
			d := &plugintest.Far{Body: tt.answer}
			if tt.change == nil {
				tt.change = func(*settings) {}
			}
			c, _ := dial(t, d, tt.change)
			if err := tt.call(t, c); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]plugintest.Request{tt.want}, d.Requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHeadersGoAlong(t *testing.T) {
	var c *connector
	d := &headerDesk{}
	c, _ = dial(t, d, func(s *settings) {
		s.BasicAuth = "gw:a:b"
		s.ExtraHeaders = map[string]string{"x-tenant": "7"}
	})
	if _, err := c.Send(t.Context(), chat, sdk.Message{Text: "Hi"}); err != nil {
		t.Fatal(err)
	}
	if d.user != "gw" || d.password != "a:b" || d.tenant != "7" {
		t.Errorf("user %q, password %q, X-Tenant %q; want gw, a:b, 7", d.user, d.password, d.tenant)
	}
}

func TestSendNothing(t *testing.T) {
	d := &plugintest.Far{}
	c, _ := dial(t, d)
	_, err := c.Send(t.Context(), chat, sdk.Message{})
	if plugintest.Verdict(err) != "rejected no_text" || len(d.Requests()) != 0 {
		t.Errorf("%v with %d requests, want rejected no_text and none", err, len(d.Requests()))
	}
}
