package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestWrongTypes: whatever type a field has, the events beside it are read.
func TestWrongTypes(t *testing.T) {
	const good = `{"Event_ID":99,"Command":"read","Message_Text":"good"}`
	fields := []string{"Event_ID", "Command", "Status_Code", "Estimated_Time", "Additional_Information", "Participant_Name",
		"Message_Text", "URL_Pushed", "CallID", "Error_Code"}
	values := []string{`null`, `true`, `7`, `7.5`, `-1`, `1e400`, `99999999999999999999`, `""`, `"7"`, `" 106 "`, `"x"`, `{}`, `{"a":[1]}`,
		`[]`, `["106"]`, `"\ud800"`, `"\u0000"`}
	for _, command := range []string{"read", "status", "ParticipantDisconnected", "typingStatus", "Error"} {
		for _, f := range fields {
			for _, v := range values {
				bad := fmt.Sprintf(`{"Event_ID":1,"Command":%q,"Status_Code":165,%q:%s}`, command, f, v)
				events, at, _ := take(t, cursor{Version: 1, Assigned: true}, `{"Events":[`+bad+`,`+good+`]}`)
				found := false
				for _, e := range events {
					found = found || e.ID == "C1:99" && e.Text == "good"
				}
				if !found || at.Last < 99 && f != "Event_ID" {
					t.Errorf("%s: %+v, cursor %+v; want the good one too", bad, events, at)
				}
			}
		}
	}
}

func TestNoEventAtAll(t *testing.T) {
	for _, bad := range []string{`null`, `7`, `"x"`, `true`, `[]`, `[[]]`, `{}`} {
		events, _, _ := take(t, cursor{Version: 1}, `{"Events":[`+bad+`,{"Event_ID":2,"Command":"read","Message_Text":"Hi"}]}`)
		if got := types(events); got != "2 incoming_message" {
			t.Errorf("%s: %s, want the good one alone", bad, got)
		}
	}
}

// TestLateNews: what comes after the end is not about the chat any more, except
// for a last word.
func TestLateNews(t *testing.T) {
	over := cursor{Version: 1, Last: 5, Assigned: true, Ended: true}
	events, at, _ := take(t, over, `{"Events":[{"Event_ID":6,"Command":"status","Status_Code":107},
		{"Event_ID":7,"Command":"ParticipantDisconnected"},{"Event_ID":8,"Command":"Error","Error_Code":8},
		{"Event_ID":9,"Command":"read","Message_Text":"bye"}]}`)
	if got := types(events); strings.Contains(got, "chat_") || !strings.Contains(got, "9 incoming_message") || !at.Ended {
		t.Errorf("%s, cursor %+v", got, at)
	}
}

// TestLargeAnswers: an answer to a call may be of any size; more than 1 MiB of it
// is not read, and only joinchat's says anything.
func TestLargeAnswers(t *testing.T) {
	for _, size := range []int{256 << 10, 1 << 20, 3 << 20} {
		pad := strings.Repeat(" ", size)
		for verb, want := range map[string]string{"sendmsg": "ok", "fireevent": "ok", "leavechat": "ok", "getevents": "ok", "joinchat": "ok"} {
			if verb == "joinchat" && size >= 1<<20 {
				want = "ambiguous"
			}
			if verb == "getevents" && size >= 1<<20 {
				want = "retry"
			}
			c, _ := dial(t, &plugintest.Far{Body: pad + `{"Connection_ID":"C1","Events":null}`})
			if got := plugintest.Verdict(calls[verb](t.Context(), c)); got != want {
				t.Errorf("%d bytes for %s: %s, want %s", size, verb, got, want)
			}
		}
	}
}

// TestEncodedAnswers: a body that only a decoder for it could read is none.
func TestEncodedAnswers(t *testing.T) {
	for verb, want := range map[string]string{"joinchat": "ambiguous", "getevents": "retry", "sendmsg": "ok"} {
		c, _ := dial(t, &plugintest.Far{Body: "\x28\xb5\x2f\xfd", Header: http.Header{"Content-Encoding": {"zstd"}}})
		if got := plugintest.Verdict(calls[verb](t.Context(), c)); got != want {
			t.Errorf("%s: %s, want %s", verb, got, want)
		}
	}
}

// FuzzJoined: a reference is never empty, and never one that says "none".
func FuzzJoined(f *testing.F) {
	for _, s := range []string{`{"Connection_ID":"C1"}`, `{"Connection_ID":-1}`, `{"connection_id":null}`, `[]`, ``, `{"Connection_ID":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ref, err := readJoined(ccsp.Answer{Status: 200, Body: body})
		if (err == nil) != (ref != "") || ref == "-1" || ref == "0" {
			t.Errorf("%q: %q, %v", body, ref, err)
		}
	})
}

// FuzzSaved: what an upload answers is an address that a browser opens, or none.
func FuzzSaved(f *testing.F) {
	for _, s := range []string{`{"FilePath":"https://e.com/a"}`, `{"FilePath":"/a b"}`, `{"FilePath":7}`, `{"FilePath":"javascript:x"}`, `{"FilePath":"//e.com/a"}`, `<html>`} {
		f.Add([]byte(s))
	}
	c := &connector{cfg: config{upload: &url.URL{Scheme: "https", Host: "ccsp.example.com", Path: defaultUpload}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		at, err := c.savedAt(ccsp.Answer{Status: 200, Body: body})
		if err != nil {
			return
		}
		u, err := url.Parse(at)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			t.Errorf("%q: %q", body, at)
		}
	})
}

// FuzzCursor: a cursor that can be read is written as it was.
func FuzzCursor(f *testing.F) {
	f.Add([]byte(`{"v":1,"last":7,"assigned":true,"agents":"Ann\nBob","left":"7","left_ms":5}`))
	f.Add([]byte(`{"v":1,"agents":"\n\n"}`))
	f.Fuzz(func(t *testing.T, mark []byte) {
		at, err := readCursor(mark)
		if err != nil {
			return
		}
		at.speaks("Cy")
		if at.agent() != "Cy" || !at.knows("Cy") || strings.Count(at.Agents, "\n") >= maxAgents {
			t.Errorf("%q: agents %q", mark, at.Agents)
		}
		r := reading{ref: "C1", cursor: at}
		r.expire()
		if at.Left != "" && !at.Ended && !r.cursor.Ended && r.cursor.over(r.now, 0) == 0 {
			t.Errorf("%q: the grace is over and the chat is not", mark)
		}
	})
}
