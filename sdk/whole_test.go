package sdk_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// keeper is a connector that remembers what it is given.
type keeper struct {
	sdk.Connector
	chats    []sdk.Chat
	messages []sdk.Message
}

func (e *keeper) Open(_ context.Context, c sdk.Chat, m sdk.Message) (sdk.ChatRef, error) {
	e.chats, e.messages = append(e.chats, c), append(e.messages, m)
	return "r1", nil
}

// TestWhole: what the test gateway gives a driver arrives whole.
func TestWhole(t *testing.T) {
	e := new(keeper)
	g := sdktest.Start(t, sdk.Plugin{ID: "org.example.echo", Version: "1.0.0", Drivers: []sdk.Driver{
		sdk.NewConnector("echo", sdk.Capabilities{}, func(context.Context, struct{}, sdk.Host) (*keeper, error) { return e, nil }),
	}}, "e", "echo", struct{}{})
	file := []sdk.Attachment{{URL: "https://e.com/a", MediaID: "m", MIME: "image/png", Name: "a.png", Bytes: 7, Caption: "A"}}
	at := time.UnixMilli(1_800_000_000_000)
	c := sdk.Chat{Conversation: "00112233445566778899aabbccddeeff", Number: 2, Customer: ada, Channel: "shop", ChannelType: "sms",
		Service: "retail", Attributes: map[string]string{"vip": "yes"},
		Transcript: []sdk.Line{{At: at, Author: sdk.AuthorBot, Name: "Robin", Text: "Hi", Attachments: file}, {Text: "Hello"}}}
	m := sdk.Message{ID: "m1", Text: "Hi", Attachments: file, QuickReplies: []sdk.QuickReply{{Title: "Yes", Payload: "y"}},
		Author: sdk.AuthorAgent, Agent: sdk.Agent{ID: "7", Name: "Ann"}, Part: 1, Parts: 2, Attempt: 1, Late: true, Resent: true,
		URLPush: "https://e.com", At: at, ReplyTo: "m0", Extras: map[string]string{"a": "b"}, Copy: true}
	if _, err := g.Open(t.Context(), c, m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]sdk.Chat{c}, e.chats); diff != "" {
		t.Errorf("chat (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]sdk.Message{m}, e.messages); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}
