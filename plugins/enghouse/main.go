// Command enghouse is the gateway's connector to Enghouse CCSP contact
// centers, through their chat API (ChatExtension.DLL).
package main

import "github.com/openccsp/gateway/sdk"

// textLimit is where the far side cuts a customer's text without a word.
const textLimit = 1024 // UTF-16 code units

func main() { sdk.Main(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:          "org.openccsp.enghouse",
		Version:     "1.0.0",
		StateSchema: cursorVersion,
		Drivers:     []sdk.Driver{sdk.NewConnector("enghouse", capabilities(), open)},
	}
}

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		Text:       sdk.TextLimit{Limit: textLimit, Unit: sdk.UTF16},
		MediaTypes: []string{"*/*"}, // as files or as their addresses
		TypingIn:   true,
		TypingOut:  true,
	}
}
