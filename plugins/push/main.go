// Command push is the channel of notices in customers' apps: Firebase Cloud
// Messaging for Android and the web, and Apple's push service. README.md is the
// operator's page.
package main

import "github.com/openccsp/gateway/sdk"

func main() { sdk.Main(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:          "org.openccsp.push",
		Version:     "1.0.0",
		Drivers:     []sdk.Driver{sdk.NewChannel("push", capabilities(), open)},
		StateSchema: stateSchema,
	}
}

// maxPayload is what FCM and APNs take of one notice, in bytes.
const maxPayload = 4096

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		ChannelType:    "push",
		Text:           sdk.TextLimit{Limit: maxPayload, Unit: sdk.Byte},
		MediaTypes:     []string{"image/jpeg", "image/png", "image/gif"},
		IdempotentSend: true, // a notice that comes again takes the place of the first
		Overflow:       sdk.Refuse,
	}
}
