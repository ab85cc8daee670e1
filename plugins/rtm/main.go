// Command rtm is the channel of customers on a web page or in an app: they
// write over REST and get answers over MQTT. README.md has the wire.
package main

import (
	"time"

	"github.com/openccsp/gateway/sdk"
)

func main() { sdk.Main(plugin()) }

// plugin describes the binary. It is exclusive because a process owns the
// broker's port and the sessions on it.
func plugin() sdk.Plugin {
	var made secrets
	return sdk.Plugin{
		ID:          "org.openccsp.rtm",
		Version:     "1.0.0",
		Drivers:     []sdk.Driver{sdk.NewChannel("rtm", capabilities(), made.open)},
		Exclusive:   true,
		StateSchema: 1,
	}
}

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		ChannelType:    "rtm",
		Text:           sdk.TextLimit{Limit: maxDownlinkText, Unit: sdk.Byte},
		MediaTypes:     []string{"*/*"},
		QuickReplies:   true,
		Receipts:       true,
		TypingIn:       true,
		TypingOut:      true,
		IdempotentSend: true, // clients drop a tid they have shown
		DedupFor:       undeliveredFor,
		UndeliveredFor: undeliveredFor,
	}
}

const (
	maxDownlinkText = 32 << 10       // bytes of one message to a customer
	undeliveredFor  = 24 * time.Hour // how long a message waits for its customer
)
