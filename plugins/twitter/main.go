// Command twitter is the channel of direct messages on X: customers write to an
// account, and read answers there. README.md has what to do at X.
package main

import (
	"time"

	"github.com/openccsp/gateway/sdk"
)

func main() { sdk.Main(plugin()) }

// plugin describes the binary. It is not exclusive, although refresh tokens count
// once: X does not send again what finds no hook. See record.
func plugin() sdk.Plugin {
	var known accounts
	return sdk.Plugin{
		ID:          "org.openccsp.twitter",
		Version:     "1.0.0",
		Drivers:     []sdk.Driver{sdk.NewChannel("twitter", capabilities(), known.open)},
		StateSchema: 1,
	}
}

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		ChannelType:        "twitter",
		Text:               sdk.TextLimit{Limit: maxText, Unit: sdk.Rune},
		MediaTypes:         []string{"image/jpeg", "image/png", "image/webp", "image/gif", "video/mp4"},
		MaxAttachment:      maxVideo,
		QuickReplies:       true,
		MaxQuickReplies:    20,
		MaxQuickReplyTitle: 36,
		Receipts:           true,
		TypingIn:           true,
		TypingOut:          true,
		DedupFor:           31 * 24 * time.Hour, // X's list of messages has those of 30 days
		NeedsPublicURL:     true,
	}
}

const (
	maxText  = 10_000    // code points
	maxImage = 5 << 20   // bytes
	maxGIF   = 15 << 20  // bytes
	maxVideo = 512 << 20 // bytes
)
