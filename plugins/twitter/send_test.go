package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

func TestSend(t *testing.T) {
	picture := sdk.Attachment{MIME: "image/png", URL: "https://gw.example.com/media/p", Caption: "a view"}
	paper := sdk.Attachment{MIME: "application/pdf", URL: "https://gw.example.com/media/d"}
	v11 := func(url string) settings { s := byOAuth1(url); s.API = apiV11; return s }
	both := func(url string) settings {
		s := byOAuth2(url)
		s.AccessToken, s.AccessTokenSecret = byOAuth1(url).AccessToken, byOAuth1(url).AccessTokenSecret
		return s
	}
	yes := []sdk.QuickReply{{Title: "Yes", Payload: "y"}, {Title: "No"}}
	for _, tt := range []struct {
		name string
		by   func(string) settings
		m    sdk.Message
		want sim.Message
	}{
		{"by OAuth 1.0a", byOAuth1, text("Hi <&> €"), sim.Message{To: ada, Text: "Hi <&> €", API: "v2", Auth: "OAuth 1.0a"}},
		{"by OAuth 2.0", byOAuth2, text("Hi"), sim.Message{To: ada, Text: "Hi", API: "v2", Auth: "OAuth 2.0"}},
		{"by v1.1", v11, text("Hi"), sim.Message{To: ada, Text: "Hi", API: "v1.1", Auth: "OAuth 1.0a"}},
		{"by both", both, text("Hi"), sim.Message{To: ada, Text: "Hi", API: "v2", Auth: "OAuth 2.0"}},
		{"quick replies", both, sdk.Message{Text: "Yes?", QuickReplies: yes},
			sim.Message{To: ada, Text: "Yes?", API: "v1.1", Auth: "OAuth 1.0a", Options: []string{"y", "No"}}},
		{"quick replies without v1.1", byOAuth2, sdk.Message{Text: "Yes?", QuickReplies: yes}, sim.Message{To: ada, Text: "Yes?", API: "v2", Auth: "OAuth 2.0"}},
		{"a page to see", byOAuth1, sdk.Message{Text: "See", URLPush: "https://e.com/a"}, sim.Message{To: ada, Text: "See\nhttps://e.com/a", API: "v2", Auth: "OAuth 1.0a"}},
		{"longest", byOAuth1, text(strings.Repeat("é", maxText)), sim.Message{To: ada, Text: strings.Repeat("é", maxText), API: "v2", Auth: "OAuth 1.0a"}},
		{"a document", byOAuth1, sdk.Message{Text: "Here", Attachments: []sdk.Attachment{paper}},
			sim.Message{To: ada, Text: "Here\nhttps://gw.example.com/media/d", API: "v2", Auth: "OAuth 1.0a"}},
		{"a document, a picture, another", byOAuth1, sdk.Message{Attachments: []sdk.Attachment{paper, picture, picture}},
			sim.Message{To: ada, Text: "https://gw.example.com/media/d\na view\na view\nhttps://gw.example.com/media/p", API: "v2", Auth: "OAuth 1.0a",
				Media: []byte("picture"), MediaType: "dm_image"}},
		{"a picture alone, v1.1", v11, sdk.Message{Attachments: []sdk.Attachment{{MIME: "image/png"}}},
			sim.Message{To: ada, API: "v1.1", Auth: "OAuth 1.0a", Media: []byte("picture"), MediaType: "dm_image"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, tt.by)
			kept := r.host.add("p", "image/png", []byte("picture"))
			for i, a := range tt.m.Attachments {
				if a.MIME == "image/png" {
					tt.m.Attachments[i].MediaID = kept.MediaID
				}
			}
			receipt, err := r.Send(t.Context(), toAda, tt.m)
			if err != nil {
				t.Fatal(err)
			}
			sent := r.x.Sent()
			if len(sent) != 1 || receipt.MessageID != sent[0].ID {
				t.Fatalf("receipt %+v, sent %+v", receipt, sent)
			}
			if d := cmp.Diff(tt.want, sent[0], cmpopts.IgnoreFields(sim.Message{}, "ID")); d != "" {
				t.Errorf("message (-want +got):\n%s", d)
			}
			r.sound(t)
		})
	}
}

func TestNotSent(t *testing.T) {
	r := dial(t, byOAuth1)
	link := sdk.Attachment{MIME: "application/pdf", URL: "https://gw.example.com/media/d"}
	for _, tt := range []struct {
		name, to string
		m        sdk.Message
		want     string
	}{
		{"no user's id", "ada", text("Hi"), "rejected address"},
		{"nothing", ada, sdk.Message{}, "rejected empty"},
		{"too long", ada, text(strings.Repeat("é", maxText+1)), "rejected too_long"},
		{"too long with its link", ada, sdk.Message{Text: strings.Repeat("é", maxText-10), Attachments: []sdk.Attachment{link}}, "rejected too_long"},
		{"a file without a link", ada, sdk.Message{Text: "Hi", Attachments: []sdk.Attachment{{MIME: "application/pdf"}}}, "rejected attachments"},
		{"a file that is gone", ada, sdk.Message{Attachments: []sdk.Attachment{{MIME: "image/png", MediaID: "gone"}}}, "rejected media"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Send(t.Context(), sdk.Customer{Address: tt.to}, tt.m)
			if got := plugintest.Verdict(err); got != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	if sent := r.x.Sent(); len(sent) != 0 {
		t.Errorf("sent %+v", sent)
	}
}

// verdict is plugintest's, with the errors that only channels have.
func verdict(err error) string {
	for word, known := range map[string]error{"gone": sdk.ErrRecipientGone, "config": sdk.ErrAuthConfig, "refreshed": sdk.ErrAuthRefreshed} {
		if errors.Is(err, known) {
			return word
		}
	}
	return plugintest.Verdict(err)
}

// TestErrors: what each of X's answers means.
func TestErrors(t *testing.T) {
	code := func(n int) string { return `{"errors":[{"code":` + strconv.Itoa(n) + `,"message":"secret words"}]}` }
	kind := func(k string, status int) string {
		return `{"type":"https://api.twitter.com/2/problems/` + k + `","title":"secret words","detail":"secret words","status":` + strconv.Itoa(status) + `}`
	}
	blank := `{"type":"about:blank","title":"Forbidden","detail":"secret words","status":403}`
	reset := http.Header{"X-Rate-Limit-Remaining": {"0"}, "X-Rate-Limit-Reset": {strconv.FormatInt(noon.Add(7*time.Minute).Unix(), 10)}}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		header http.Header
		want   string
	}{
		{"limit, with its end", 429, kind("too-many-requests", 429), reset, "throttled 7m1s"},
		{"limit, with Retry-After", 429, "", http.Header{"Retry-After": {"30"}}, "throttled 30s"},
		{"limit, without", 429, "", nil, "throttled 1m0s"},
		{"limit, end alone", 429, "", http.Header{"X-Rate-Limit-Reset": reset["X-Rate-Limit-Reset"]}, "throttled 7m1s"},
		{"limit of the day", 429, "", http.Header{"X-User-Limit-24hour-Remaining": {"0"},
			"X-User-Limit-24hour-Reset": {strconv.FormatInt(noon.Add(5*time.Hour).Unix(), 10)}}, "throttled 5h0m1s"},
		{"limit, v1.1", 429, code(88), reset, "throttled 7m1s"},
		{"plan used up", 429, kind("usage-capped", 429), reset, "config"},
		{"no credits", 402, kind("credits", 402), nil, "config"}, {"credits used up", 402, `{"title":"Payment Required"}`, nil, "config"},
		{"spending limit", 403, kind("spend-cap-reached", 403), nil, "config"}, {"453", 403, code(453), nil, "config"},
		{"not for this user", 403, kind("not-authorized-for-resource", 403), nil, "gone"},
		{"a problem that is not known", 403, kind("new-problem", 403), nil, "rejected http_403"},
		{"500", 500, "", nil, "retry"}, {"502", 502, "<html>", nil, "retry"}, {"503", 503, "", nil, "retry"}, {"504", 504, "", nil, "ambiguous"},
		{"408", 408, "", nil, "retry"}, {"130", 503, code(130), nil, "retry"}, {"131", 500, code(131), nil, "retry"},
		{"32", 401, code(32), nil, "config"}, {"64", 403, code(64), nil, "config"}, {"89", 401, code(89), nil, "config"},
		{"93", 403, code(93), nil, "config"}, {"135", 401, code(135), nil, "config"}, {"215", 400, code(215), nil, "config"}, {"326", 403, code(326), nil, "config"},
		{"401", 401, kind("unauthorized", 401), nil, "config"},
		{"client-forbidden", 403, kind("client-forbidden", 403), nil, "config"},
		{"oauth1-permissions", 403, kind("oauth1-permissions", 403), nil, "config"},
		{"50", 404, code(50), nil, "gone"}, {"108", 403, code(108), nil, "gone"}, {"150", 403, code(150), nil, "gone"}, {"349", 403, code(349), nil, "gone"},
		{"not permitted", 403, blank, nil, "gone"}, {"no such user", 404, kind("resource-not-found", 404), nil, "gone"},
		{"a known code behind an unknown", 403, `{"errors":[{"code":1},{"code":349}]}`, nil, "gone"},
		{"151", 403, code(151), nil, "rejected 151"}, {"226", 403, code(226), nil, "rejected 226"}, {"354", 403, code(354), nil, "rejected 354"},
		{"386", 403, code(386), nil, "rejected 386"}, {"unknown code", 403, code(999), nil, "rejected http_403"},
		{"400", 400, kind("invalid-request", 400), nil, "rejected http_400"}, {"404", 404, "", nil, "rejected http_404"}, {"413", 413, "", nil, "rejected http_413"},
		{"a proxy's 403", 403, "<html>", nil, "rejected http_403"}, {"redirected", 302, "", http.Header{"Location": {"https://evil.example"}}, "rejected http_302"},
		{"a proxy's 200", 200, "<html>", nil, "ambiguous"}, {"200 without an id", 200, `{"data":{}}`, nil, "ambiguous"},
		{"200 with errors", 200, `{"errors":[{"type":"https://api.twitter.com/2/problems/resource-not-found","title":"x"}]}`, nil, "gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, byOAuth1)
			r.x.Fail(sim.Fault{Status: tt.status, Body: tt.body, Header: tt.header})
			_, err := r.Send(t.Context(), toAda, text("Hi"))
			if got := verdict(err); got != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret words") {
				t.Errorf("the error quotes X: %v", err)
			}
			if sent := r.x.Sent(); len(sent) != 0 {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

// TestGone: X itself, as simulated, refuses by both APIs.
func TestGone(t *testing.T) {
	r := dial(t, byOAuth1)
	r.x.Gone(ada)
	for _, m := range []sdk.Message{text("Hi"), {Text: "Yes?", QuickReplies: []sdk.QuickReply{{Title: "Yes"}}}} {
		if _, err := r.Send(t.Context(), toAda, m); !errors.Is(err, sdk.ErrRecipientGone) {
			t.Errorf("%v", err)
		}
	}
	r.sound(t)
}

// TestWindow: after the last message of a window X is not asked until it ends.
func TestWindow(t *testing.T) {
	r := dial(t, byOAuth1, func(o *sim.Options) { o.Window = 2 })
	for range 2 {
		if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
			t.Fatal(err)
		}
	}
	for wait, want := range map[time.Duration]string{0: "throttled 15m1s", 14 * time.Minute: "throttled 1m1s"} {
		r.host.Set(noon.Add(wait))
		if _, err := r.Send(t.Context(), toAda, text("Hi")); plugintest.Verdict(err) != want {
			t.Errorf("after %v: %v, want %s", wait, err, want)
		}
	}
	r.host.Set(noon.Add(15*time.Minute + time.Second))
	if _, err := r.Send(t.Context(), toAda, sdk.Message{Text: "Yes?", QuickReplies: []sdk.QuickReply{{Title: "Yes"}}}); err != nil {
		t.Errorf("another endpoint has another window: %v", err)
	}
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Errorf("in the next window: %v", err)
	}
	if n := len(r.x.Sent()); n != 4 {
		t.Errorf("%d sent, want 4", n)
	}
	r.sound(t)
}

func TestUntil(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, strconv.FormatInt(noon.Unix(), 10): 0, strconv.FormatInt(noon.Unix()+1, 10): 2 * time.Second,
		strconv.FormatInt(noon.Add(25*time.Hour).Unix(), 10): 0, "99999999999999999999": 0,
	} {
		if got := until(text, noon); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestLost: what becomes of messages whose answer does not come.
func TestLost(t *testing.T) {
	for _, far := range plugintest.Lost {
		t.Run(far.Name, func(t *testing.T) {
			r := at(t, byOAuth1(plugintest.Listen(t, far.Serve)))
			got := plugintest.Patiently("ambiguous", func(limit time.Duration) error {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				_, err := r.Send(ctx, toAda, text("Hi"))
				return err
			})
			if got != "ambiguous" {
				t.Errorf("%s, want ambiguous", got)
			}
		})
	}
	for _, far := range plugintest.Nowhere(t) {
		t.Run(far.Name, func(t *testing.T) {
			_, err := at(t, byOAuth1(far.Base)).Send(far.Ctx, toAda, text("Hi"))
			if got := plugintest.Verdict(err); got != "retry" {
				t.Errorf("%v, want retry", err)
			}
		})
	}
}

// TestLostAfterTheDeed: X has taken a message whose answer is lost; one that it has
// not read is another matter.
func TestLostAfterTheDeed(t *testing.T) {
	r := dial(t, byOAuth1)
	r.x.Fail(sim.Fault{Lose: true})
	_, err := r.Send(t.Context(), toAda, text("Hi"))
	if a, ok := errors.AsType[*sdk.AmbiguousError](err); !ok || a.After <= 0 || len(r.x.Sent()) != 1 {
		t.Errorf("%v, %d sent", err, len(r.x.Sent()))
	}
	r.sound(t)
}

// TestNoRedirect: neither words nor credentials go to another server.
func TestNoRedirect(t *testing.T) {
	asked := false
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer evil.Close()
	far := httptest.NewServer(http.RedirectHandler(evil.URL, http.StatusTemporaryRedirect))
	defer far.Close()
	if _, err := at(t, byOAuth1(far.URL)).Send(t.Context(), toAda, text("Hi")); plugintest.Verdict(err) != "rejected http_307" || asked {
		t.Errorf("%v, asked %v", err, asked)
	}
}
