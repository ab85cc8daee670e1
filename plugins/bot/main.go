// Command bot is the gateway's connector to a program in place of an agent: a
// Rasa assistant, or anything that speaks the signed JSON that its README
// documents. It answers in the response, or later by webhook.
package main

import "github.com/openccsp/gateway/sdk"

func main() { sdk.Main(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:      "org.openccsp.bot",
		Version: "1.0.0",
		Drivers: []sdk.Driver{sdk.NewConnector("bot", capabilities(), open)},
	}
}

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		MediaTypes:   []string{"*/*"}, // by address
		QuickReplies: true,            // what the customer chose
		TypingIn:     true,
	}
}
