// Command messenger is the channel of customers on Facebook Messenger: one
// Facebook page. README.md is the operator's page.
package main

import (
	"time"

	"github.com/openccsp/gateway/sdk"
)

func main() { sdk.Main(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:      "org.openccsp.messenger",
		Version: "1.0.0",
		Drivers: []sdk.Driver{sdk.NewChannel("messenger", capabilities(), open)},
	}
}

// What Meta allows.
const (
	maxText       = 1999 // UTF-16 units; a text must be shorter than 2000 characters
	maxReplies    = 13
	maxTitle      = 20
	maxFile       = 25 << 20
	openWindow    = 24 * time.Hour     // after the customer's last act
	agentWindow   = 7 * 24 * time.Hour // the same, with the tag HUMAN_AGENT
	repeatsFor    = 8 * 24 * time.Hour // how long an event may come again
	defaultRate   = 40                 // messages per second; above it Meta treats a page as high-volume
	heavyPerSec   = 10                 // messages with audio or video per second
	maxRate       = 300
	maxWebhook    = 2 << 20 // bytes of a batch: what it becomes goes in one frame
	maxEvents     = 2000    // of a batch; Meta sends up to 1000
	patience      = 3 * time.Second
	besidePerHook = 16 // calls beside a webhook at a time: files, profiles
)

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		ChannelType:        "facebook",
		Text:               sdk.TextLimit{Limit: maxText, Unit: sdk.UTF16},
		MediaTypes:         []string{"*/*"},
		MaxAttachment:      maxFile,
		QuickReplies:       true,
		MaxQuickReplies:    maxReplies,
		MaxQuickReplyTitle: maxTitle,
		Receipts:           true,
		TypingOut:          true,
		DedupFor:           repeatsFor,
		Rate:               defaultRate,
		Burst:              defaultRate,
		NeedsPublicURL:     true,
		Window:             sdk.ReplyWindow{Open: openWindow},
	}
}
