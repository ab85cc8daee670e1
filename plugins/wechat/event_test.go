package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/sdk"
)

// xmlOf writes a message of the type, with more fields.
func xmlOf(typ, fields string) string {
	return `<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oUser1]]></FromUserName><CreateTime>1700000000</CreateTime>` +
		`<MsgType><![CDATA[` + typ + `]]></MsgType>` + fields + `</xml>`
}

func message(typ, fields string) string { return xmlOf(typ, fields+`<MsgId>7</MsgId>`) }

func happening(name, fields string) string {
	return xmlOf("event", `<Event><![CDATA[`+name+`]]></Event>`+fields)
}

// eventCases are all kinds of messages and events that bring no file.
var eventCases = []struct {
	name, xml string
	want      sdk.Event
}{
	{"text", message("text", `<Content><![CDATA[a < b & 你好]]></Content>`), sdk.Event{Text: "a < b & 你好"}},
	{"escaped text", message("text", `<Content>a &lt; b &#x4f60;</Content>`), sdk.Event{Text: "a < b 你"}},
	{"quick reply", message("text", `<Content>Yes</Content><bizmsgmenuid>order.yes</bizmsgmenuid>`),
		sdk.Event{Text: "Yes", QuickReply: &sdk.QuickReply{Title: "Yes", Payload: "order.yes"}, Window: forMinute}},
	{"from an article", message("text", `<Content>Hi</Content><MsgDataId>9</MsgDataId><Idx>1</Idx>`), sdk.Event{Text: "Hi"}},
	{"empty text", message("text", `<Content></Content>`), sdk.Event{Text: "[an empty message]"}},
	{"location", message("location", `<Location_X>23.134521</Location_X><Location_Y>113.358803</Location_Y><Scale>20</Scale><Label><![CDATA[Tianhe Lu 1]]></Label>`),
		sdk.Event{Text: "[location] Tianhe Lu 1 (23.134521, 113.358803)"}},
	{"link", message("link", `<Title>News</Title><Description>of today</Description><Url>https://e.com/a</Url>`),
		sdk.Event{Text: "News\nof today\nhttps://e.com/a"}},
	{"a type to come", message("hologram", `<Title>Me</Title>`), sdk.Event{Text: "[a message of the type hologram cannot be shown]\nMe"}},
	{"subscribe", happening("subscribe", ``), act("subscribe", nil, true)},
	{"subscribe by a code", happening("subscribe", `<EventKey><![CDATA[qrscene_12]]></EventKey><Ticket>T</Ticket>`),
		act("subscribe", map[string]string{"EventKey": "qrscene_12", "Ticket": "T", "scene": "12"}, true)},
	{"unsubscribe", happening("unsubscribe", ``), act("unsubscribe", nil, false)},
	{"scan", happening("SCAN", `<EventKey>12</EventKey><Ticket>T</Ticket>`),
		act("SCAN", map[string]string{"EventKey": "12", "Ticket": "T", "scene": "12"}, true)},
	{"location of the phone", happening("LOCATION", `<Latitude>23.1</Latitude><Longitude>113.3</Longitude><Precision>119.0</Precision>`),
		act("LOCATION", map[string]string{"Latitude": "23.1", "Longitude": "113.3", "Precision": "119.0"}, false)},
	{"click", happening("CLICK", `<EventKey>HELP</EventKey>`), act("CLICK", map[string]string{"EventKey": "HELP"}, true)},
	{"view", happening("VIEW", `<EventKey>https://e.com</EventKey><MenuId>1</MenuId>`),
		act("VIEW", map[string]string{"EventKey": "https://e.com", "MenuId": "1"}, false)},
	{"scancode", happening("scancode_waitmsg", `<EventKey>6</EventKey><ScanCodeInfo><ScanType>qrcode</ScanType><ScanResult>2</ScanResult></ScanCodeInfo>`),
		act("scancode_waitmsg", map[string]string{"EventKey": "6", "ScanCodeInfo.ScanType": "qrcode", "ScanCodeInfo.ScanResult": "2"}, true)},
	{"scancode_push", happening("scancode_push", `<EventKey>6</EventKey>`), act("scancode_push", map[string]string{"EventKey": "6"}, true)},
	{"pictures", happening("pic_sysphoto", `<SendPicsInfo><Count>2</Count><PicList><item><PicMd5Sum>a</PicMd5Sum></item><item><PicMd5Sum>b</PicMd5Sum></item></PicList></SendPicsInfo>`),
		act("pic_sysphoto", map[string]string{"SendPicsInfo.Count": "2", "SendPicsInfo.PicList.item.PicMd5Sum": "a"}, false)},
	{"location_select", happening("location_select", `<SendLocationInfo><Label>Here</Label></SendLocationInfo>`),
		act("location_select", map[string]string{"SendLocationInfo.Label": "Here"}, false)},
	{"view_miniprogram", happening("view_miniprogram", `<EventKey>pages/index</EventKey>`), act("view_miniprogram", map[string]string{"EventKey": "pages/index"}, false)},
	{"template", happening("TEMPLATESENDJOBFINISH", `<MsgID>200163836</MsgID><Status>success</Status>`),
		act("TEMPLATESENDJOBFINISH", map[string]string{"MsgID": "200163836", "Status": "success"}, false)},
	{"mass", happening("MASSSENDJOBFINISH", `<MsgID>1</MsgID><SentCount>75</SentCount>`),
		act("MASSSENDJOBFINISH", map[string]string{"MsgID": "1", "SentCount": "75"}, false)},
	{"an event to come", happening("dance", `<Step>1</Step>`), act("dance", map[string]string{"Step": "1"}, false)},
}

// forMinute is what a click allows.
var forMinute = &sdk.ReplyWindow{Open: time.Minute, Messages: 3}

func act(name string, params map[string]string, opens bool) sdk.Event {
	e := sdk.Event{Type: sdk.CustomEvent, EventName: name, Params: params}
	if opens {
		e.Window = forMinute
	}
	return e
}

func TestEvents(t *testing.T) {
	for i, tt := range eventCases {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			want.Customer, want.At = ada, noon
			if want.Type == "" {
				want.Type, want.ID, want.MessageID = sdk.CustomerMessage, "7", "7"
			}
			res := post(receiver(t), t, signedAt(noon, fmt.Sprint("n", i)), tt.xml)
			if res.Status != 200 || string(res.Body) != "success" || len(res.Events) != 1 {
				t.Fatalf("%d %s, %d events", res.Status, res.Body, len(res.Events))
			}
			got := res.Events[0]
			if want.Type == sdk.CustomEvent && len(got.ID) == 33 {
				want.ID = got.ID // TestEventIDs looks at it
			}
			if !strings.Contains(string(got.Payload), `"FromUserName":"oUser1"`) {
				t.Errorf("payload %s", got.Payload)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(sdk.Event{}, "Payload"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEventIDs: what WeChat repeats has the same id, and nothing else has.
func TestEventIDs(t *testing.T) {
	c := receiver(t)
	known := map[string]string{}
	for i, xml := range []string{
		happening("CLICK", `<EventKey>A</EventKey>`), happening("CLICK", `<EventKey>B</EventKey>`), happening("VIEW", `<EventKey>A</EventKey>`),
		strings.Replace(happening("CLICK", `<EventKey>A</EventKey>`), "1700000000", "1700000001", 1),
		strings.Replace(happening("CLICK", `<EventKey>A</EventKey>`), "oUser1", "oUser2", 1),
		happening("TEMPLATESENDJOBFINISH", `<MsgID>1</MsgID>`), happening("TEMPLATESENDJOBFINISH", `<MsgID>2</MsgID>`),
		message("text", `<Content>a</Content>`),
	} {
		first := post(c, t, signedAt(noon, fmt.Sprint("a", i)), xml).Events[0].ID
		again := post(c, t, signedAt(noon, fmt.Sprint("b", i)), xml).Events[0].ID
		if first == "" || first != again || known[first] != "" {
			t.Errorf("%s: the ids %s and %s; that is also of %s", xml, first, again, known[first])
		}
		known[first] = xml
	}
}

func TestOriginalID(t *testing.T) {
	own := func(s *Settings) { s.OriginalID = "gh_2" }
	if res := post(receiver(t, own), t, query, hello); res.Status != 400 || res.Quarantine == "" || len(res.Events) > 0 {
		t.Errorf("a message to another account: %+v", res)
	}
	if res := post(receiver(t, own), t, query, strings.Replace(hello, "gh_1", "gh_2", 1)); res.Status != 200 {
		t.Errorf("a message to this account: %+v", res)
	}
}
