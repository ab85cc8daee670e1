// Command imichat is the gateway's connector to IMIchat contact centers: chats
// go there by its REST API, its events come by webhook.
package main

import (
	"time"

	"github.com/openccsp/gateway/sdk"
)

// textLimit is where the far side cuts a customer's text without a word.
const textLimit = 1024 // UTF-16 code units

func main() { sdk.Main(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:      "org.openccsp.imichat",
		Version: "1.0.0",
		Drivers: []sdk.Driver{sdk.NewConnector("imichat", capabilities(), open)},
	}
}

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		Text:       sdk.TextLimit{Limit: textLimit, Unit: sdk.UTF16},
		MediaTypes: []string{"*/*"}, // by address
		TypingIn:   true,
		TypingOut:  true,
		Events:     []string{sdk.ChatIdle, sdk.CustomerUnattended},
		Transcript: true,
		DedupFor:   72 * time.Hour, // what a reading finds may be as old
	}
}
